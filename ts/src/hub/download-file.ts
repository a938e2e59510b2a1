// One file from the hub to its blob: under a lock, in parts side by side, continued where an earlier call was cut off, and
// put in its place only when length and checksum are right.

import { setMaxListeners } from 'node:events'
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HubError } from '../errors.js'
import { blobPath, locksFolder, removeFile, repositoryFolder, sizeOf } from './cache-layout.js'
import { matchesEtag } from './checksum.js'
import type { ConnectionLimit } from './connection-limit.js'
import type { DownloadProgress } from './download-progress.js'
import { fetchPart, RangeRefused } from './fetch-part.js'
import { acquireLock } from './file-lock.js'
import type { HubClient } from './hub-client.js'
import { nameOf, type Subject } from './hub-failure.js'
import { filePath, type RemoteFile } from './model-listing.js'
import { PartLedger } from './part-ledger.js'
import { Failed, type RetryPolicy, throwIfAborted } from './retry.js'

/** What all files of a pull share. */
export interface PullContext {
  readonly client: HubClient
  readonly cacheDir: string
  readonly id: string
  readonly commit: string
  readonly connections: ConnectionLimit
  readonly progress: DownloadProgress
  readonly retries: RetryPolicy
  /** Larger files are fetched in parts of this size. */
  readonly partBytes: number
  readonly idleTimeoutMs: number
  readonly staleLockMs: number
  readonly signal: AbortSignal
}

/** How often content with a wrong checksum is fetched. */
const MOST_CONTENTS = 2

/**
 * Sees to it that the blob of a file is in the cache.
 * @returns whether this call brought it.
 * @throws HubError, RequestAbortedError, or the file system's error.
 */
export async function downloadFile(context: PullContext, file: RemoteFile): Promise<boolean> {
  const { cacheDir, id, progress, signal } = context
  const blob = blobPath(repositoryFolder(cacheDir, id), file.etag)
  const isThere = async (): Promise<boolean> => (await sizeOf(blob)) === file.size
  if (await isThere()) return false
  const lock = await acquireLock(lockPath(cacheDir, id, file.etag), {
    signal,
    staleAfterMs: context.staleLockMs,
    onWait: () => progress.waiting(file.name),
  })
  try {
    if (await isThere()) return false
    await mkdir(dirname(blob), { recursive: true })
    await fetchContent(context, file, incompletePath(blob))
    await rename(incompletePath(blob), blob)
    await removeFile(ledgerPath(blob))
    return true
  } finally {
    await lock.release()
  }
}

/** Bytes of a file that an earlier call has brought. */
export async function bytesHeld(
  context: Pick<PullContext, 'cacheDir' | 'id' | 'partBytes'>,
  file: RemoteFile,
): Promise<number> {
  const blob = blobPath(repositoryFolder(context.cacheDir, context.id), file.etag)
  if ((await sizeOf(blob)) === file.size) return file.size
  return (await openLedger(blob, file, context.partBytes)).done
}

/** The lock of a file: beside those of Python's library, whose kind of lock JavaScript does not have. */
export function lockPath(cacheDir: string, id: string, etag: string): string {
  return join(locksFolder(cacheDir, id), `${etag}.quire-lock`)
}

/** Named so that Python's tools see an interrupted download, and none of their releases goes on with it. */
function incompletePath(blob: string): string {
  return `${blob}.quire.incomplete`
}

function ledgerPath(blob: string): string {
  return `${blob}.quire-parts.incomplete`
}

async function openLedger(blob: string, file: RemoteFile, partBytes: number): Promise<PartLedger> {
  const heldBytes = (await sizeOf(incompletePath(blob))) ?? 0
  return PartLedger.open(ledgerPath(blob), { etag: file.etag, size: file.size, heldBytes, partBytes })
}

async function fetchContent(context: PullContext, file: RemoteFile, path: string): Promise<void> {
  const { progress, id, commit } = context
  const blob = blobPath(repositoryFolder(context.cacheDir, id), file.etag)
  for (let contents = 1; ; contents += 1) {
    const ledger = await openLedger(blob, file, context.partBytes)
    progress.restart(file.name, ledger.done)
    await fetchAll(context, file, path, ledger)
    progress.verifying(file.name)
    if (await matchesEtag(path, file, context.signal)) return
    throwIfAborted(context.signal)
    await removeFile(path)
    await removeFile(ledgerPath(blob))
    if (contents === MOST_CONTENTS) throw wrongContent({ model: id, revision: commit, file: file.name }, file.etag)
  }
}

/** Writes all parts. What came is in the ledger however it ends. */
async function fetchAll(context: PullContext, file: RemoteFile, path: string, ledger: PartLedger): Promise<void> {
  const handle = await openForWriting(path)
  try {
    if (ledger.done === 0) await empty(handle)
    try {
      await fetchParts(context, file, handle, ledger)
    } catch (error) {
      if (!(error instanceof RangeRefused)) throw error
      ledger.restart()
      context.progress.restart(file.name, 0)
      await empty(handle)
      await fetchParts(context, file, handle, ledger)
    }
    await handle.datasync()
  } finally {
    await handle.close()
    await ledger.save().catch(() => {})
  }
}

/** The parts that are not complete, side by side; the first that fails stops the others. */
async function fetchParts(
  context: PullContext,
  file: RemoteFile,
  handle: FileHandle,
  ledger: PartLedger,
): Promise<void> {
  const { id, commit, connections, progress } = context
  const stop = new AbortController()
  const signal = AbortSignal.any([context.signal, stop.signal])
  setMaxListeners(0, signal) // every part listens
  const job = {
    client: context.client,
    path: filePath(id, commit, file.name),
    subject: { model: id, revision: commit, file: file.name },
    size: file.size,
    ledger,
    handle,
    retries: context.retries,
    idleTimeoutMs: context.idleTimeoutMs,
    signal,
    onBytes: (count: number) => progress.received(file.name, count),
  }
  const parts = ledger.parts.filter(({ start, end, done }) => start + done < end)
  const results = await Promise.allSettled(
    parts.map(part =>
      connections
        .run(() => fetchPart(job, part))
        .catch((error: unknown) => {
          stop.abort(new Failed(error))
          throw error
        }),
    ),
  )
  if (results.some(({ status }) => status === 'rejected')) throwIfAborted(signal)
}

async function openForWriting(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return open(path, 'w+')
  }
}

async function empty(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat()
  if (size > 0) await handle.truncate(0)
}

function wrongContent(subject: Subject, etag: string): HubError {
  const message = `What came as ${nameOf(subject)} is not what the hub announced: its checksum is not ${etag}. A proxy or a mirror may change it.`
  return new HubError('ERR_HUB_DOWNLOAD', message, { details: { ...subject, reason: 'checksum' } })
}
