// A request's body from chunks to what it means, within bounds: of one body, of all bodies at once, and of time. Small bodies
// do not wait for large ones, of which so many bytes are taken between two looks at the sockets.

import { WorkQueue } from '../binding/index.js'
import { nextTurn } from '../engine/index.js'
import { AdmissionPace } from './admission-pace.js'
import { Arrivals } from './arrivals.js'
import { RequestError } from './request-error.js'

export interface BodyLimits {
  readonly maxBodyBytes: number
  readonly maxBodiesBytes: number
  readonly bodyTimeoutMs: number
}

/** Chunks of a body as they come; `next` is not called again once a limit is passed. */
export type BodyChunks = AsyncIterator<Uint8Array, unknown, undefined>

/** Bodies that are parsed in one turn of the event loop: some milliseconds of parsing, checking and tokenizing. */
const BODIES_A_TURN = 8
/** Bytes from which on a body is parsed by itself: it takes milliseconds. */
const LARGE = 1 << 18
/** Bytes after which the chunks of a body wait for their turn. */
const UNPACED = 1 << 16
/** Bytes of such chunks in one turn of the event loop. */
const BYTES_A_TURN = 1 << 20

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
  readonly #pace = new AdmissionPace(BODIES_A_TURN)
  readonly #arrivals = new Arrivals()
  readonly #bytesPace = new AdmissionPace(BYTES_A_TURN, this.#arrivals.watch())
  readonly #areArriving = this.#arrivals.watch()
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
  async read<T>(body: IncomingBody, held: HeldBytes, parse: (bytes: Uint8Array) => Promise<T>): Promise<T> {
    const { signal } = body
    const bytes = await this.#collect(body, held)
    if (bytes.length >= LARGE) {
      const parseAlone = async () => {
        do await nextTurn()
        while (this.#areArriving())
        return parse(bytes)
      }
      return this.#large.run(parseAlone, signal)
    }
    await this.#pace.turn()
    signal.throwIfAborted()
    return parse(bytes)
  }

  /** A connection has come: large bodies wait while more of them do. */
  connected(): void {
    this.#arrivals.add()
  }

  release(held: HeldBytes): void {
    this.#held -= held.bytes
    held.bytes = 0
  }

  /** Of many large bodies those that lack least go on: the first are whole while the last are not read. */
  async #collect({ chunks, contentLength, signal }: IncomingBody, held: HeldBytes): Promise<Uint8Array> {
    const { maxBodyBytes, bodyTimeoutMs } = this.#limits
    const announced = Number(contentLength ?? maxBodyBytes)
    if (announced > maxBodyBytes) throw tooLarge(maxBodyBytes)
    const deadline = new BodyDeadline(bodyTimeoutMs)
    const parts: Uint8Array[] = []
    let length = 0
    try {
      for (;;) {
        const { done, value } = await deadline.beforeIt(chunks.next())
        if (done === true) break
        length += value.length
        if (length > maxBodyBytes) throw tooLarge(maxBodyBytes)
        this.#hold(held, value.length)
        parts.push(value)
        if (length > UNPACED && length !== announced) {
          await this.#bytesPace.turn(value.length, announced - length || 0)
          signal.throwIfAborted()
        }
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

/** A limit on the time that a client takes; time that the server takes does not count. */
class BodyDeadline {
  readonly #ms: number
  readonly #passed: Promise<never>
  #pass: (error: RequestError) => void = () => {}
  #leftMs: number
  #sinceMs = 0
  #timer: NodeJS.Timeout | undefined

  /** 0: no limit. */
  constructor(ms: number) {
    this.#ms = ms
    this.#leftMs = ms
    this.#passed = new Promise<never>((_, reject) => {
      this.#pass = reject
    })
    this.#passed.catch(() => {}) // told by the race, if at all
  }

  /** What the client sends next. @throws RequestError 408. */
  async beforeIt<T>(sent: Promise<T>): Promise<T> {
    if (this.#ms === 0) return sent
    this.#sinceMs = performance.now()
    this.#timer = setTimeout(
      () => this.#pass(new RequestError(408, `The body did not come within ${this.#ms / 1000} seconds.`)),
      this.#leftMs,
    )
    const value = await Promise.race([sent, this.#passed])
    this.clear()
    this.#leftMs -= performance.now() - this.#sinceMs
    return value
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
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
