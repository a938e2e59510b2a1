// Sends requests when their time comes, so many at once at most, and keeps a record of each. No promise and no timer per token.

import type { ConnectionPool } from '../http/connection-pool.js'
import type { RequestRecord } from './request-record.js'
import { StreamReader } from './stream-reader.js'

export interface LoadRequest {
  /** The whole request as it goes over the wire. */
  readonly bytes: Buffer
  readonly promptTokens: number
}

export interface LoadOptions {
  readonly requests: readonly LoadRequest[]
  /** Milliseconds from the start at which each request arrives, ascending. */
  readonly arrivals: Float64Array
  /** Requests under way at once. Default: no limit. */
  readonly maxConcurrency?: number
  /** Keep the texts of the answers. */
  readonly keepText: boolean
  /** Called with each record that is complete. */
  readonly onRecord?: (record: RequestRecord) => void
  /** Ends the load early: what is under way is broken off. */
  readonly signal?: AbortSignal
  /** Milliseconds. */
  readonly now?: () => number
}

export interface Load {
  /** In the order of the requests. */
  readonly records: readonly RequestRecord[]
  readonly durationMs: number
}

/** @throws the signal's reason if it ends the load. */
export function generateLoad(pool: ConnectionPool, options: LoadOptions): Promise<Load> {
  return new Promise((resolve, reject) => new LoadGenerator(pool, options, resolve, reject).arrive())
}

class LoadGenerator {
  readonly #pool: ConnectionPool
  readonly #options: LoadOptions
  readonly #now: () => number
  readonly #records: RequestRecord[] = []
  /** What breaks off each request under way. */
  readonly #underWay = new Map<number, () => void>()
  /** Requests that have arrived. */
  #arrived = 0
  /** Requests that were sent. */
  #sent = 0
  #done = 0
  readonly #startMs: number
  readonly #resolve: (load: Load) => void
  readonly #reject: (reason: unknown) => void
  #stopped = false

  constructor(
    pool: ConnectionPool,
    options: LoadOptions,
    resolve: (load: Load) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#pool = pool
    this.#options = options
    this.#now = options.now ?? performance.now.bind(performance)
    this.#resolve = resolve
    this.#reject = reject
    this.#startMs = this.#now()
    options.signal?.addEventListener('abort', () => this.#abort(), { once: true })
  }

  /** Lets in whoever's time has come, and waits for the next. */
  arrive(): void {
    const { requests, arrivals, signal } = this.#options
    if (signal?.aborted) this.#abort()
    if (requests.length === 0) this.#resolve({ records: [], durationMs: 0 })
    if (this.#stopped) return
    const elapsed = this.#now() - this.#startMs
    while (this.#arrived < requests.length && (arrivals[this.#arrived] as number) <= elapsed) this.#arrived += 1
    this.#send()
    if (this.#arrived < requests.length) {
      setTimeout(() => this.arrive(), Math.max((arrivals[this.#arrived] as number) - elapsed, 0))
    }
  }

  #send(): void {
    const { requests, maxConcurrency = Number.POSITIVE_INFINITY } = this.#options
    while (this.#sent < this.#arrived && this.#underWay.size < maxConcurrency && !this.#stopped) {
      const index = this.#sent
      this.#sent += 1
      this.#sendOne(index, requests[index] as LoadRequest)
    }
  }

  #sendOne(index: number, { bytes, promptTokens }: LoadRequest): void {
    const { arrivals, keepText } = this.#options
    const record: RequestRecord = {
      arrivalMs: this.#startMs + (arrivals[index] as number),
      startMs: this.#now(),
      ttftMs: undefined,
      itlsMs: [],
      latencyMs: 0,
      outputTokens: undefined,
      promptTokens,
      text: '',
      error: undefined,
    }
    this.#records[index] = record
    this.#underWay.set(index, () => {})
    const reader = new StreamReader(record, this.#now, keepText, () => this.#ended(index, record))
    const stop = this.#pool.send(bytes, reader)
    if (this.#underWay.has(index)) this.#underWay.set(index, stop)
  }

  #ended(index: number, record: RequestRecord): void {
    if (!this.#underWay.delete(index)) return
    this.#done += 1
    if (this.#stopped) return
    this.#options.onRecord?.(record)
    if (this.#done === this.#options.requests.length) {
      this.#stopped = true
      this.#resolve({ records: this.#records, durationMs: this.#now() - this.#startMs })
    } else this.#send()
  }

  #abort(): void {
    if (this.#stopped) return
    this.#stopped = true
    for (const stop of [...this.#underWay.values()]) stop()
    this.#reject(this.#options.signal?.reason)
  }
}
