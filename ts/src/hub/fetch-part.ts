// One part of a file, by one request after the other until all its bytes are written. Nothing past its end is written,
// whatever a server sends.

import type { FileHandle } from 'node:fs/promises'
import { HubError } from '../errors.js'
import type { HubClient } from './hub-client.js'
import { nameOf, reasonOf, type Subject } from './hub-failure.js'
import type { Part, PartLedger } from './part-ledger.js'
import { bodyOf, discard } from './response-body.js'
import { type RetryPolicy, TransientFailure, throwIfAborted, withRetries } from './retry.js'

export interface PartJob {
  readonly client: HubClient
  readonly path: string
  readonly subject: Subject
  /** Bytes of the whole file. */
  readonly size: number
  readonly ledger: PartLedger
  readonly handle: FileHandle
  readonly retries: RetryPolicy
  readonly idleTimeoutMs: number
  readonly signal: AbortSignal
  /** Bytes that came; negative: that came in vain. */
  readonly onBytes: (count: number) => void
}

/** The server gives the whole file or other content: what is there cannot be continued. */
export class RangeRefused extends Error {
  override readonly name = 'RangeRefused'
}

/** @throws RangeRefused, HubError, RequestAbortedError, or the file system's error. */
export function fetchPart(job: PartJob, part: Part): Promise<void> {
  return withRetries(job.retries, job.signal, () => attempt(job, part))
}

async function attempt(job: PartJob, part: Part): Promise<void> {
  const from = part.start + part.done
  if (from >= part.end) return
  const response = await open(job, part, from)
  const before = part.done
  try {
    checkAnswer(job, part, from, response)
    job.ledger.validator ??= strongTag(response)
    for await (const chunk of bodyOf(response, job.idleTimeoutMs)) {
      const room = part.end - part.start - part.done
      if (chunk.length > room) throw failure(job, 'sends more than it announced', before !== part.done)
      await write(job.handle, chunk, part.start + part.done)
      part.done += chunk.length
      job.onBytes(chunk.length)
      await job.ledger.saveNowAndThen(Date.now())
      throwIfAborted(job.signal)
    }
  } catch (error) {
    await discard(response)
    throwIfAborted(job.signal)
    if (error instanceof TransientFailure || error instanceof RangeRefused || isFileError(error)) throw error
    throw failure(job, `was cut off (${reasonOf(error)})`, before !== part.done, error)
  }
  if (part.start + part.done < part.end) throw failure(job, 'ended before its announced length', before !== part.done)
}

async function open(job: PartJob, part: Part, from: number): Promise<Response> {
  const isRange = from > 0 || part.end < job.size
  const { validator } = job.ledger
  const headers = {
    ...(isRange && { range: `bytes=${from}-${part.end - 1}` }),
    // Only what continues bytes that are there: the parts of one file may come from several stores with tags of their own.
    ...(part.done > 0 && validator !== undefined && { 'if-range': validator }),
  }
  const request = {
    method: 'GET',
    path: job.path,
    subject: job.subject,
    headers,
    timeoutMs: job.idleTimeoutMs,
  } as const
  return job.client.open(request, job.signal).catch((error: unknown) => {
    if (isRange && error instanceof HubError && error.details.status === 416) throw new RangeRefused()
    throw error
  })
}

/** @throws TransientFailure for an answer about other bytes; RangeRefused. */
function checkAnswer(job: PartJob, part: Part, from: number, { status, headers }: Response): void {
  const isRange = from > 0 || part.end < job.size
  const isEncoded = !/^(?:identity)?$/i.test(headers.get('content-encoding') ?? '')
  if (isRange && (status === 200 || isEncoded)) throw new RangeRefused()
  if (status !== 200 && status !== 206) throw failure(job, `answered ${status}`, false)
  if (status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? []
    if (Number(start) !== from || (total !== '*' && Number(total) !== job.size)) {
      throw failure(job, 'answered with other bytes than were asked for', false)
    }
  }
  const length = headers.get('content-length')
  if (!isEncoded && length !== null && Number(length) !== part.end - from) {
    throw failure(job, `has ${length} bytes where ${part.end - from} were announced`, false)
  }
}

function strongTag({ headers }: Response): string | undefined {
  const tag = headers.get('etag')
  return tag?.startsWith('"') ? tag : undefined
}

async function write(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, at, chunk.length - at, position + at)
    at += bytesWritten
  }
}

const FILE_ERRORS: ReadonlySet<unknown> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  'EIO',
  'EROFS',
  'EACCES',
  'EBADF',
  'EINVAL',
  'EMFILE',
])

/** An error of this machine's file system, which no further attempt mends. Those of the network come as a cause. */
function isFileError(error: unknown): boolean {
  return error instanceof Error && FILE_ERRORS.has((error as NodeJS.ErrnoException).code)
}

function failure({ subject }: PartJob, what: string, progressed: boolean, cause?: unknown): TransientFailure {
  const message = `The download of ${nameOf(subject)} ${what}. Run the same command again: it goes on from there.`
  const error = new HubError('ERR_HUB_DOWNLOAD', message, { cause, details: { ...subject, reason: 'transfer' } })
  return new TransientFailure(error, { progressed })
}
