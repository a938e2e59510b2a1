// What a model can be on a web page, and the form of it that goes to the Worker: an address, a folder, or files.

import { check } from '../config/check.js'
import { InvalidArgumentError } from '../errors.js'
import { parseModelName } from '../hub/model-name.js'

/**
 * A model: the address of its folder, a name on the hub (`org/name[@revision]`), a directory that the user has picked or that
 * lies in the origin's private file system, or its files.
 */
export type WebModel = string | URL | FileSystemDirectoryHandle | Iterable<File>

export type ModelSource =
  | { readonly kind: 'address'; readonly url: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'directory'; readonly directory: FileSystemDirectoryHandle }
  | { readonly kind: 'files'; readonly files: readonly NamedFile[] }

/** A file with its path in the model's folder. */
export interface NamedFile {
  readonly name: string
  readonly file: File
}

const HUB = 'https://huggingface.co'

export interface AddressOptions {
  /** What relative addresses are relative to. */
  readonly baseUrl: string
  readonly revision: string | undefined
  /** Sent to the hub alone. */
  readonly token: string | undefined
}

/** @throws InvalidArgumentError naming the option. */
export function toModelSource(name: string, model: unknown, options: AddressOptions): ModelSource {
  if (model instanceof URL) return addressOf(name, model.href, options)
  if (typeof model === 'string') return addressOf(name, model, options)
  if (isDirectory(model)) return { kind: 'directory', directory: model }
  if (isIterable(model)) return filesOf(name, model)
  throw new InvalidArgumentError(
    name,
    `${name} must be an address, a name on the hub, a directory handle, or files.`,
    model,
  )
}

function addressOf(name: string, text: string, { baseUrl, revision, token }: AddressOptions): ModelSource {
  const onHub = /^[./]|:\/\//.test(text) ? undefined : parseModelName(text, revision)
  if (onHub !== undefined) {
    const url = `${HUB}/${onHub.id}/resolve/${encodeURIComponent(onHub.revision)}/`
    return { kind: 'address', url, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }
  }
  const address = parseUrl(text, baseUrl)
  if (address === undefined || !/^https?:$/.test(address.protocol)) {
    throw new InvalidArgumentError(name, `${name} is no address of a folder and no name on the hub.`, text)
  }
  if (!address.pathname.endsWith('/')) address.pathname += '/'
  address.hash = ''
  return { kind: 'address', url: address.href, headers: {} }
}

function parseUrl(text: string, baseUrl: string): URL | undefined {
  try {
    return new URL(text, baseUrl)
  } catch {
    return undefined
  }
}

function isDirectory(value: unknown): value is FileSystemDirectoryHandle {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'directory'
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}

/** Files of `<input type=file webkitdirectory>` have the folder's own name in front of their paths. */
function filesOf(name: string, model: Iterable<unknown>): ModelSource {
  const files = Array.from(model, (file): NamedFile => {
    if (!(file instanceof File)) throw new InvalidArgumentError(name, `${name} has something that is no File.`, file)
    return { name: file.webkitRelativePath || file.name, file }
  })
  const config = files.map(file => file.name).filter(path => /(?:^|\/)config\.json$/.test(path))
  const nearest = config.sort((a, b) => a.split('/').length - b.split('/').length)[0] ?? ''
  const folder = nearest.slice(0, nearest.length - 'config.json'.length)
  return {
    kind: 'files',
    files: files.flatMap(({ name: path, file }) =>
      path.startsWith(folder) ? [{ name: path.slice(folder.length), file }] : [],
    ),
  }
}

/** The token of an option. @throws InvalidArgumentError. */
export function checkToken(token: unknown): string | undefined {
  return check.optional(check.string, 'hfToken', token)
}
