// One large file from the web into the origin's file system: in parts side by side, each tried again from where it was cut off,
// and continued by another page load. What is there in the end has the announced length and, where it is known, checksum.

import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { bodyOf } from '../hub/response-body.js'
import { Failed, type RetryPolicy, TransientFailure, throwIfAborted, withRetries } from '../hub/retry.js'
import { cutOff, failureOfStatus, noSpace, wrongChecksum } from './download-failure.js'
import { isNamed } from './local-folder.js'
import { piecesOfBlob } from './model-folder.js'
import type { Ledger, OpenFile, Part, StoredModel } from './origin-storage.js'
import { ask, factsOf, type WebHost } from './web-client.js'

export interface DownloadContext {
  readonly host: WebHost
  readonly store: StoredModel
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly retries: RetryPolicy
  /** Bytes of one part. */
  readonly partBytes: number
  /** Parts of one file that come at once. */
  readonly connections: number
  readonly idleTimeoutMs: number
}

export interface DownloadJob {
  readonly url: string
  readonly name: string
  readonly byteLength: number
  readonly etag: string | undefined
  readonly sha256: string | undefined
  /** Told of bytes that came; `restarted`: all that was there counts no more. */
  readonly onBytes: (count: number) => void
  readonly onRestart: () => void
  readonly onVerify: () => void
}

const SAVE_EVERY_BYTES = 16 << 20

/** The server gives no ranges, or other content than before. */
class RangeRefused extends Error {
  override readonly name = 'RangeRefused'
}

/** @throws HubError, RequestAbortedError. What has come is kept but after a wrong checksum. */
export async function downloadFile(context: DownloadContext, job: DownloadJob): Promise<void> {
  const { store } = context
  const saved = await store.readLedger(job.name)
  const known = saved?.byteLength === job.byteLength && saved.etag === (job.etag ?? null) ? saved : undefined
  if (known?.isComplete && (job.sha256 === undefined || job.sha256 === known.sha256)) return
  const ledger = known ?? newLedger(job, context.partBytes)
  try {
    await fetchInto(context, job, ledger)
    await verify(context, job)
  } catch (error) {
    if (!isNamed(error, 'QuotaExceededError')) throw error
    throw noSpace(job.url, error, await navigator.storage.estimate().catch(() => undefined))
  }
  ledger.isComplete = true
  ledger.sha256 = job.sha256 ?? ledger.sha256
  await store.saveLedger(job.name, ledger)
}

function newLedger({ byteLength, etag }: DownloadJob, partBytes: number): Ledger {
  return {
    version: 1,
    etag: etag ?? null,
    byteLength,
    isComplete: false,
    sha256: null,
    parts: split(byteLength, partBytes),
  }
}

async function fetchInto(context: DownloadContext, job: DownloadJob, ledger: Ledger): Promise<void> {
  const file = await context.store.open(job.name)
  try {
    try {
      await fetchParts(context, job, ledger, file)
    } catch (error) {
      if (!(error instanceof RangeRefused)) throw error
      ledger.parts = split(job.byteLength, job.byteLength)
      file.truncate(0)
      job.onRestart()
      await fetchParts(context, job, ledger, file)
    }
    file.truncate(job.byteLength)
  } finally {
    // The bytes before the words about them.
    file.flush()
    file.close()
    await context.store.saveLedger(job.name, ledger).catch(() => {})
  }
}

/** The parts that are not complete, some side by side; the first that fails stops the others. */
async function fetchParts(context: DownloadContext, job: DownloadJob, ledger: Ledger, file: OpenFile): Promise<void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([context.signal, stop.signal])
  const waiting = ledger.parts.filter(({ start, end, done }) => start + done < end)
  let unsaved = 0
  const write = (bytes: Uint8Array, part: Part) => {
    file.write(bytes, part.start + part.done)
    part.done += bytes.length
    unsaved += bytes.length
    job.onBytes(bytes.length)
    if (unsaved < SAVE_EVERY_BYTES) return undefined
    unsaved = 0
    file.flush()
    return context.store.saveLedger(job.name, ledger)
  }
  const connection = async () => {
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
      const current = part
      await withRetries(context.retries, signal, () => fetchPart({ ...context, signal }, job, current, write))
    }
  }
  const results = await Promise.allSettled(
    Array.from({ length: Math.min(context.connections, waiting.length) }, () =>
      connection().catch((error: unknown) => {
        if (!stop.signal.aborted) stop.abort(new Failed(error))
        throw error
      }),
    ),
  )
  if (results.some(({ status }) => status === 'rejected')) throwIfAborted(signal)
}

async function fetchPart(
  { host, headers, signal, idleTimeoutMs }: DownloadContext,
  { url, byteLength, etag }: DownloadJob,
  part: Part,
  write: (bytes: Uint8Array, part: Part) => Promise<void> | undefined,
): Promise<void> {
  const from = part.start + part.done
  if (from >= part.end) return
  const isRange = from > 0 || part.end < byteLength
  const asked = isRange ? { ...headers, range: `bytes=${from}-${part.end - 1}` } : headers
  const response = await ask(host, url, { headers: asked, isSmall: false, signal })
  if (response === undefined) throw failureOfStatus(url, new Response(null, { status: 404 }))
  const tag = factsOf(response).etag
  if (isRange && (response.status !== 206 || (tag !== undefined && etag !== undefined && tag !== etag))) {
    await response.body?.cancel().catch(() => {})
    throw new RangeRefused()
  }
  const before = part.done
  try {
    for await (const bytes of bodyOf(response, idleTimeoutMs)) {
      if (bytes.length > part.end - part.start - part.done)
        throw cutOff(url, 'brings more bytes than announced', before !== part.done)
      await write(bytes, part)
    }
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof TransientFailure || isNamed(error, 'QuotaExceededError')) throw error
    throw cutOff(url, 'was cut off', before !== part.done, error)
  }
  if (part.start + part.done < part.end) throw cutOff(url, 'ended before its announced length', before !== part.done)
}

/** @throws HubError, and the file is gone, if its checksum is known and another. */
async function verify({ store, signal }: DownloadContext, job: DownloadJob): Promise<void> {
  if (job.sha256 === undefined) return
  job.onVerify()
  const file = await store.file(job.name)
  const hash = sha256.create()
  for await (const piece of piecesOfBlob(file ?? new Blob())) {
    hash.update(piece)
    throwIfAborted(signal)
  }
  const found = bytesToHex(hash.digest())
  if (found === job.sha256) return
  await store.remove(job.name)
  throw wrongChecksum(job.url, job.sha256, found)
}

function split(byteLength: number, partBytes: number): Part[] {
  const size = Math.max(1, partBytes)
  return Array.from({ length: Math.max(1, Math.ceil(byteLength / size)) }, (_, index) => ({
    start: index * size,
    end: Math.min((index + 1) * size, byteLength),
    done: 0,
  }))
}
