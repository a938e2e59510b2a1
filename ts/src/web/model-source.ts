// What a model can be on a web page, and the form of it that goes to the Worker: an address, a folder, or files.

import { check } from '../config/check.js'
import { isGguf, onlyGguf } from '../config/gguf-names.js'
import { InvalidArgumentError } from '../errors.js'
import { parseModelName } from '../hub/model-name.js'

/**
 * A model: the address of its folder or of its GGUF file, a name on the hub (`org/name[@revision]`, `org/name:file.gguf`), a
 * directory or a GGUF file that the user has picked or that lies in the origin's private file system, or its files.
 */
export type WebModel = string | URL | FileSystemDirectoryHandle | FileSystemFileHandle | File | Iterable<File>

export type ModelSource = (
  | {
      readonly kind: 'address'
      /** Of the folder. */
      readonly url: string
      /** Behind the names of files. */
      readonly query: string
      readonly headers: Readonly<Record<string, string>>
    }
  | { readonly kind: 'directory'; readonly directory: FileSystemDirectoryHandle }
  | { readonly kind: 'files'; readonly files: readonly NamedFile[] }
) & {
  /** The file of the folder that is the model: of a split one, its first part. */
  readonly gguf?: string
}

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

/**
 * What a handle stands for, where it is a GGUF file or a folder with one: files, of which the browser reads what is asked for.
 * Everything else is given back. @throws ModelError if a folder has several models.
 */
export async function resolveHandles(model: WebModel): Promise<WebModel> {
  if (!isHandle(model)) return model
  if (model.kind === 'file') return [await model.getFile()]
  const files: File[] = []
  for await (const entry of model.values()) {
    if (entry.name === 'config.json') return model
    if (entry.kind === 'file' && isGguf(entry.name)) files.push(await (entry as FileSystemFileHandle).getFile())
  }
  return files.length === 0 ? model : files
}

/** @throws InvalidArgumentError naming the option, ModelError if there are several GGUF files. */
export function toModelSource(name: string, model: unknown, options: AddressOptions): ModelSource {
  if (model instanceof URL) return addressOf(name, model.href, options)
  if (typeof model === 'string') return addressOf(name, model, options)
  if (isHandle(model) && model.kind === 'directory') return { kind: 'directory', directory: model }
  if (model instanceof File) return filesOf(name, [model])
  if (isIterable(model)) return filesOf(name, model)
  throw new InvalidArgumentError(
    name,
    `${name} must be an address, a name on the hub, a handle of a directory or file, or files.`,
    model,
  )
}

function addressOf(name: string, text: string, { baseUrl, revision, token }: AddressOptions): ModelSource {
  const onHub = /^[./]|:\/\//.test(text) ? undefined : parseModelName(text, revision)
  if (onHub !== undefined) {
    const { gguf } = onHub
    if (gguf !== undefined && !isGguf(gguf)) {
      throw new InvalidArgumentError(
        name,
        `A page does not list what the hub has: name the file as a whole, '${onHub.id}:file.gguf'.`,
        text,
      )
    }
    const url = `${HUB}/${onHub.id}/resolve/${encodeURIComponent(onHub.revision)}/`
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    return { kind: 'address', url, query: '', headers, ...(gguf !== undefined && { gguf }) }
  }
  const address = parseUrl(text, baseUrl)
  if (address === undefined || !/^https?:$/.test(address.protocol)) {
    throw new InvalidArgumentError(name, `${name} is no address of a folder or file and no name on the hub.`, text)
  }
  address.hash = ''
  if (isGguf(address.pathname)) {
    const folder = new URL('.', address)
    const file = decodePath(address.pathname.slice(folder.pathname.length))
    return { kind: 'address', url: folder.href, query: address.search, headers: {}, gguf: file }
  }
  if (!address.pathname.endsWith('/')) address.pathname += '/'
  return { kind: 'address', url: address.href, query: '', headers: {} }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path // a percent sign of its own
  }
}

function parseUrl(text: string, baseUrl: string): URL | undefined {
  try {
    return new URL(text, baseUrl)
  } catch {
    return undefined
  }
}

function isHandle(value: unknown): value is FileSystemDirectoryHandle | FileSystemFileHandle {
  const { kind } = (typeof value === 'object' && value !== null ? value : {}) as { kind?: unknown }
  return kind === 'directory' || kind === 'file'
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
  const gguf = files.some(file => file.name.endsWith('config.json'))
    ? undefined
    : onlyGguf(files.map(baseOf), 'the files')
  if (gguf !== undefined) return { kind: 'files', gguf, files: files.map(file => ({ ...file, name: baseOf(file) })) }
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

function baseOf({ name }: NamedFile): string {
  return name.slice(name.lastIndexOf('/') + 1)
}

/** The token of an option. @throws InvalidArgumentError. */
export function checkToken(token: unknown): string | undefined {
  return check.optional(check.string, 'hfToken', token)
}
