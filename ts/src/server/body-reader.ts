// A request's body from chunks to what it means, within bounds: of one body, of all bodies at once, and of time. Small bodies
// do not wait for large ones.

import { WorkQueue } from '../binding/index.js'
import { nextTurn } from '../engine/index.js'
import { AdmissionPace } from './admission-pace.js'
import { RequestError } from './request-error.js'

export interface BodyLimits {
  readonly maxBodyBytes: number
  readonly maxBodiesBytes: number
  readonly bodyTimeoutMs: number
}

/** Chunks of a body as they come; `next` is not called again once a limit is passed. */
export type BodyChunks = AsyncIterator<Uint8Array, unknown, undefined>

/** Bytes from which on a body is read by itself: it takes milliseconds. */
const LARGE = 1 << 18

/** How many bytes of a body count. */
export interface HeldBytes {
  bytes: number
}

export interface IncomingBody {
  readonly chunks: BodyChunks
  readonly contentLength: string | null
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

export class BodyReader {
  readonly #limits: BodyLimits
  readonly #pace = new AdmissionPace()
  readonly #large = new WorkQueue(1)
  /** Bytes of all bodies that are being read or answered. */
  #held = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /**
   * What `parse` makes of the whole body, when it is its turn. Its bytes count in `held` until they are released: what is made of
   * them takes as much.
   * @throws RequestError 413, 408, 429; what `chunks` throw when the client leaves; what `parse` throws; once `signal` is aborted.
   */
  async read<T>(
    { chunks, contentLength, signal }: IncomingBody,
    held: HeldBytes,
    parse: (bytes: Uint8Array) => Promise<T>,
  ): Promise<T> {
    const { maxBodyBytes } = this.#limits
    if (Number(contentLength ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes)
    const bytes = await this.#collect(chunks, held)
    if (bytes.length >= LARGE) {
      const parseAlone = async () => {
        await nextTurn()
        return parse(bytes)
      }
      return this.#large.run(parseAlone, signal)
    }
    await this.#pace.turn()
    signal.throwIfAborted()
    return parse(bytes)
  }

  release(held: HeldBytes): void {
    this.#held -= held.bytes
    held.bytes = 0
  }

  async #collect(chunks: BodyChunks, held: HeldBytes): Promise<Uint8Array> {
    const { maxBodyBytes, bodyTimeoutMs } = this.#limits
    const deadline = deadlineAfter(bodyTimeoutMs)
    const parts: Uint8Array[] = []
    let length = 0
    try {
      for (;;) {
        const { done, value } = await Promise.race([chunks.next(), deadline.passed])
        if (done === true) break
        length += value.length
        if (length > maxBodyBytes) throw tooLarge(maxBodyBytes)
        this.#hold(held, value.length)
        parts.push(value)
      }
    } finally {
      deadline.clear()
    }
    return parts.length === 1 ? (parts[0] as Uint8Array) : joined(parts, length)
  }

  /** What has come counts, not what was announced: announcing costs a client nothing. */
  #hold(held: HeldBytes, more: number): void {
    if (this.#held + more > this.#limits.maxBodiesBytes) {
      throw RequestError.overloaded('The server is overloaded: too many bytes of requests are being answered.', 1)
    }
    this.#held += more
    held.bytes += more
  }
}

function deadlineAfter(ms: number): { readonly passed: Promise<never>; clear(): void } {
  if (ms === 0) return { passed: new Promise(() => {}), clear: () => {} }
  let timer: NodeJS.Timeout | undefined
  const passed = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new RequestError(408, `The body did not come within ${ms / 1000} seconds.`))
    }, ms)
  })
  passed.catch(() => {}) // told by the race, if at all
  return { passed, clear: () => clearTimeout(timer) }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let start = 0
  for (const part of parts) {
    bytes.set(part, start)
    start += part.length
  }
  return bytes
}

function tooLarge(most: number): RequestError {
  return new RequestError(413, `The body is larger than ${most} bytes.`)
}
