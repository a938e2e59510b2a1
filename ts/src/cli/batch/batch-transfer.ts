// Where a batch comes from and goes to: files, and URLs of http and https where one is given.

import { createReadStream, openAsBlob } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { UsageError } from '../usage-error.js'

const UPLOAD_TRIES = 5
const UPLOAD_PAUSE_MS = 1000

export function isUrl(place: string): boolean {
  return /^https?:\/\//i.test(place)
}

/** Before anything is loaded. @throws UsageError if a file of the input cannot be read. */
export async function checkReadable(place: string): Promise<void> {
  if (isUrl(place)) return
  try {
    await access(place, constants.R_OK)
  } catch (error) {
    throw new UsageError(`--input-file: ${place} cannot be read: ${(error as Error).message}`)
  }
}

/** Whether two places are one file, by whatever names. */
export async function areSame(one: string, other: string): Promise<boolean> {
  if (isUrl(one) || isUrl(other)) return false
  const [first, second] = await Promise.all([one, other].map(place => stat(place).catch(() => undefined)))
  if (first === undefined || second === undefined) return false
  // Pipes and terminals have no contents to lose.
  return first.isFile() && first.dev === second.dev && first.ino === second.ino
}

/** The bytes of the input. @throws UsageError if it cannot be had. */
export async function* readPlace(place: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (!isUrl(place)) {
      yield* createReadStream(place, { signal }) as AsyncIterable<Uint8Array>
      return
    }
    const response = await fetch(place, { signal })
    if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`)
    yield* response.body as unknown as AsyncIterable<Uint8Array>
  } catch (error) {
    signal.throwIfAborted()
    throw new UsageError(`--input-file: ${place} cannot be read: ${reasonOf(error)}`)
  }
}

/** PUTs a file. @throws UsageError after some tries; the file stays. */
export async function upload(path: string, url: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(url, { method: 'PUT', body: await openAsBlob(path), signal })
      await response.arrayBuffer()
      if (response.ok) return
      throw new Error(`HTTP ${response.status}`)
    } catch (error) {
      signal.throwIfAborted()
      if (attempt === UPLOAD_TRIES) {
        throw new UsageError(`--output-file: the upload failed (${reasonOf(error)}); the result is in ${path}`)
      }
      await sleep(UPLOAD_PAUSE_MS * 2 ** (attempt - 1), undefined, { signal })
    }
  }
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error && cause.message !== '' ? `${message}: ${cause.message}` : message
}
