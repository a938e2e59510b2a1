// What the hub says of a model: the commit that a revision stands for, the names of its files, and of each file what
// identifies its content. All of it is checked, for it becomes paths.

import { HubError } from '../errors.js'
import { checkFileName } from './cache-layout.js'
import type { HubClient } from './hub-client.js'
import { nameOf, type Subject } from './hub-failure.js'
import { isCommit, type ModelName } from './model-name.js'

export interface ModelListing {
  readonly commit: string
  /** Names of all files, with their sizes where the hub tells them. */
  readonly files: ReadonlyMap<string, number | undefined>
}

/** A file of a commit. */
export interface RemoteFile {
  readonly name: string
  /** Names the blob: the sha256 of a large file, the git hash of a small one. */
  readonly etag: string
  readonly size: number
}

const ETAG = /^[A-Za-z0-9][\w.+=-]{0,199}$/

/** @throws HubError, RequestAbortedError. */
export async function fetchListing(
  client: HubClient,
  { id, revision }: ModelName,
  timeoutMs: number,
): Promise<ModelListing> {
  const subject: Subject = { model: id, revision }
  const path = `api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`
  const answer = (await client.json({ method: 'GET', path, subject, timeoutMs })) as {
    sha?: unknown
    siblings?: unknown
  } | null
  const commit = answer?.sha
  if (typeof commit !== 'string' || !isCommit(commit) || !Array.isArray(answer?.siblings)) {
    throw wrong(subject, 'names no commit or no files')
  }
  if (isCommit(revision) && revision !== commit) throw wrong(subject, `is of another commit (${commit})`)
  const files = new Map<string, number | undefined>()
  for (const sibling of answer.siblings as readonly { rfilename?: unknown; size?: unknown }[]) {
    if (typeof sibling?.rfilename !== 'string') throw wrong(subject, 'has a file without a name')
    files.set(checkFileName(sibling.rfilename), isSize(sibling.size) ? sibling.size : undefined)
  }
  return { commit, files }
}

/** Asks for what identifies one file. @throws HubError, RequestAbortedError. */
export async function fetchMetadata(
  client: HubClient,
  id: string,
  { commit, files }: ModelListing,
  name: string,
  timeoutMs: number,
): Promise<RemoteFile> {
  const subject: Subject = { model: id, revision: commit, file: name }
  const path = filePath(id, commit, name)
  const endsAt = ({ headers }: Response): boolean => headers.has('x-linked-etag')
  const { headers } = await client.request({ method: 'HEAD', path, subject, timeoutMs, endsAt })
  const said = headers.get('x-repo-commit')
  if (said !== null && said !== commit) throw wrong(subject, `is of another commit (${said.slice(0, 40)})`)
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '')
  if (!ETAG.test(etag) || etag.includes('..')) throw wrong(subject, 'has no entity tag')
  const isEncoded = !/^(?:identity)?$/i.test(headers.get('content-encoding') ?? '')
  const isLink = headers.has('x-linked-etag')
  const length = headers.get('x-linked-size') ?? (isEncoded || isLink ? null : headers.get('content-length'))
  const size = length === null ? files.get(name) : Number(length)
  if (!isSize(size)) throw wrong(subject, 'has no length')
  return { name, etag, size }
}

/** The path of a file's content below the endpoint. */
export function filePath(id: string, commit: string, name: string): string {
  return `${id}/resolve/${commit}/${name.split('/').map(encodeURIComponent).join('/')}`
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function wrong(subject: Subject, what: string): HubError {
  const message = `The hub's answer for ${nameOf(subject)} ${what}. Check HF_ENDPOINT: is a hub there?`
  return new HubError('ERR_HUB_DOWNLOAD', message, { details: { ...subject, reason: 'answer' } })
}
