// One request as the API side follows it: its continuations, its moments, and the consumer that waits for news.
// Nothing is queued: what a slow consumer has not taken stays here and merges.

import type { SamplingParams } from '../config/index.js'
import { Continuation } from './continuation.js'
import type { RequestMetrics, RequestOutput, TokenLogprob } from './request-output.js'

/** What the caller asked. */
export interface AdmittedRequest {
  readonly requestId: string
  readonly prompt: string | undefined
  readonly promptTokenIds: Int32Array
  readonly params: SamplingParams
  readonly arrivalMs: number
}

export class RequestState {
  readonly request: AdmittedRequest
  readonly continuations: readonly Continuation[]
  numCachedTokens = 0
  error: Error | undefined
  /** There are news that the consumer was not told of. */
  isUntold = false
  readonly #promptTokenIds: readonly number[]
  readonly #promptLogprobs: (TokenLogprob | null)[] | null
  #firstScheduledMs: number | null = null
  #firstTokenMs: number | null = null
  #lastTokenMs: number | null = null
  readonly #listeners: (() => void)[] = []
  #onNews: (() => void) | undefined
  /** Settles when the scheduler has taken or refused the request. */
  readonly admitted: Promise<void>
  /** The scheduler's id of continuation 0, once it has the request. */
  firstSequence: number | undefined
  #settleAdmission: (error: Error | undefined) => void = () => {}

  constructor(request: AdmittedRequest) {
    const { n, logprobs, promptLogprobs, logprobTokenIds } = request.params
    this.request = request
    this.#promptTokenIds = Array.from(request.promptTokenIds)
    const wantsLogprobs = logprobs !== undefined || logprobTokenIds !== undefined
    this.continuations = Array.from({ length: n }, (_, index) => new Continuation(index, wantsLogprobs))
    this.#promptLogprobs = promptLogprobs === undefined ? null : request.promptTokenIds.length === 0 ? [] : [null]
    this.admitted = new Promise((resolve, reject) => {
      this.#settleAdmission = error => (error === undefined ? resolve() : reject(error))
    })
    this.admitted.catch(() => {}) // who does not ask hears it from the stream
  }

  /** Every continuation has ended. */
  get finished(): boolean {
    return this.continuations.every(({ finishReason }) => finishReason !== null)
  }

  /** Nothing more will come. */
  get ended(): boolean {
    return this.error !== undefined || this.finished
  }

  /** The model has said something. */
  get hasTokens(): boolean {
    return this.#firstTokenMs !== null
  }

  /** The scheduler has the request. */
  taken(): void {
    this.#settleAdmission(undefined)
  }

  scheduled(nowMs: number): void {
    this.#firstScheduledMs ??= nowMs
  }

  gotTokens(nowMs: number): void {
    this.#firstTokenMs ??= nowMs
    this.#lastTokenMs = nowMs
  }

  /** The logprob of the prompt id at `position`; positions come in order. */
  gotPromptLogprob(position: number, logprob: TokenLogprob): void {
    if (this.#promptLogprobs !== null) this.#promptLogprobs[position] = logprob
  }

  /** Ends the request with an error: its consumer gets it after what it has not taken yet is dropped. */
  fail(error: Error): void {
    if (this.ended) return
    this.error = error
    this.#settleAdmission(error)
    this.notify()
  }

  /** Wakes whoever waits. */
  notify(): void {
    this.#onNews?.()
    if (this.#listeners.length > 0) for (const listener of this.#listeners.splice(0)) listener()
  }

  /** Resolves when there may be news. */
  changed(): Promise<void> {
    return new Promise(resolve => {
      this.#listeners.push(resolve)
    })
  }

  /** Has `listener` called whenever there may be news; at once if there are some. */
  onNews(listener: () => void): void {
    this.#onNews = listener
    if (this.ended || this.continuations.some(({ changed }) => changed)) listener()
  }

  /** What the consumer does not have yet, merged into one output; undefined if there is nothing. */
  take(): RequestOutput | undefined {
    const { outputKind } = this.request.params
    if (outputKind === 'final' && !this.finished) return undefined
    const changed = this.continuations.filter(continuation => continuation.changed)
    if (changed.length === 0) return undefined
    const told = outputKind === 'final' ? this.continuations : changed
    return this.#output(told.map(continuation => continuation.take(outputKind)))
  }

  /** Everything, whatever was taken. */
  whole(): RequestOutput {
    return this.#output(this.continuations.map(continuation => continuation.whole()))
  }

  #output(outputs: RequestOutput['outputs']): RequestOutput {
    const { requestId, prompt } = this.request
    return {
      requestId,
      prompt,
      promptTokenIds: this.#promptTokenIds,
      promptLogprobs: this.#promptLogprobs === null ? null : this.#promptLogprobs.slice(),
      outputs,
      finished: this.finished,
      metrics: this.#metrics(),
      numCachedTokens: this.numCachedTokens,
    }
  }

  #metrics(): RequestMetrics {
    return {
      arrivalMs: this.request.arrivalMs,
      firstScheduledMs: this.#firstScheduledMs,
      firstTokenMs: this.#firstTokenMs,
      lastTokenMs: this.#lastTokenMs,
    }
  }
}
