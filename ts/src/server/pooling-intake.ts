// The way of embeddings, scores and rankings into the engine: the bound on what waits, and what metrics and the log learn of
// each call. They generate nothing, so they pass the scheduler by.

import type { Engine } from '../engine/index.js'
import type { Clock } from './clock.js'
import type { Logger } from './logger.js'
import { type EngineMetrics, isAbort } from './metrics/engine-metrics.js'
import { RequestError } from './request-error.js'
import { isFailure, namesRequest, RETRY_AFTER_SECONDS, shortened } from './request-intake.js'
import type { RouteRequest } from './route.js'
import type { LogConfig } from './server-config.js'

/** What a call gives for each of its inputs; the tokens that were computed for it are counted. */
export interface PooledCall<Output> {
  /** As the reply says it. */
  readonly requestId: string
  /** What is pooled, for the log: a text, a pair of texts, or ids. */
  readonly inputs: readonly (string | readonly string[] | ArrayLike<number>)[]
  run(signal: AbortSignal): Promise<readonly Output[]>
  numTokens(output: Output): number
}

interface Running {
  readonly controller: AbortController
  readonly from: RouteRequest
  readonly requestId: string
}

export interface PoolingIntakeOptions {
  readonly engine: Engine
  readonly metrics: EngineMetrics
  readonly logger: Logger
  readonly clock: Clock
  readonly log: LogConfig
  /** Requests that may run and wait in all. */
  readonly maxSequences: number
}

export class PoolingIntake {
  readonly #options: PoolingIntakeOptions
  readonly #running = new Set<Running>()
  #closed = false

  constructor(options: PoolingIntakeOptions) {
    this.#options = options
  }

  /** Ends with `from.signal`. @throws RequestError 429, 503; what the engine throws. */
  async run<Output>(call: PooledCall<Output>, from: RouteRequest): Promise<readonly Output[]> {
    const { metrics, clock } = this.#options
    this.#checkRoom()
    const arrivalMs = from.arrivalMs ?? clock.now()
    const controller = new AbortController()
    const running = { controller, from, requestId: call.requestId }
    this.#running.add(running)
    metrics.numPooled = this.#running.size
    this.#logCall(call)
    try {
      const outputs = await call.run(AbortSignal.any([from.signal, controller.signal]))
      metrics.pooled(
        outputs.map(output => call.numTokens(output)),
        (clock.now() - arrivalMs) / 1000,
      )
      return outputs
    } catch (error) {
      this.#failed(call.requestId, call.inputs.length, error as Error)
      throw error
    } finally {
      this.#running.delete(running)
      metrics.numPooled = this.#running.size
    }
  }

  /** Calls in the engine. */
  get numRequests(): number {
    return this.#running.size
  }

  /** As `RequestIntake.abort`. */
  abort(requestIds: ReadonlySet<string>): number {
    const named = [...this.#running].filter(({ requestId, from }) => namesRequest(requestIds, requestId, from))
    for (const { controller } of named) controller.abort()
    return named.length
  }

  /** Ends all; says how many there were. */
  abortAll(): number {
    for (const { controller } of this.#running) controller.abort()
    return this.#running.size
  }

  /** From now on nothing is taken. */
  close(): void {
    this.#closed = true
  }

  #checkRoom(): void {
    const { engine, maxSequences } = this.#options
    if (this.#closed) throw new RequestError(503, 'The server is shutting down.')
    if (engine.numRequests < maxSequences) return
    throw RequestError.overloaded(
      `The server is overloaded: ${engine.numRequests} requests run or wait, and ${maxSequences} may.`,
      RETRY_AFTER_SECONDS,
    )
  }

  /** What was refused never was a request of the engine. */
  #failed(requestId: string, numInputs: number, error: Error): void {
    const { metrics, logger } = this.#options
    if (isAbort(error)) metrics.poolingEnded(numInputs, 'abort')
    if (!isFailure(error)) return
    metrics.poolingEnded(numInputs, 'error')
    logger.error({ requestId, err: error }, 'a request failed')
  }

  #logCall({ requestId, inputs }: Pick<PooledCall<unknown>, 'requestId' | 'inputs'>): void {
    const { log, logger } = this.#options
    if (!log.requests) return
    const shown = inputs.map(input => {
      if (typeof input === 'string') return shortened(input, log.maxLogLength)
      return isTexts(input) ? input.map(text => shortened(text, log.maxLogLength)) : `${input.length} ids`
    })
    logger.info({ requestId, inputs: shown }, 'received request')
  }
}

function isTexts(input: readonly string[] | ArrayLike<number>): input is readonly string[] {
  return typeof input[0] === 'string'
}
