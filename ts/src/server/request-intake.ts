// The way of requests into the engine: the bound on what may wait, and what metrics, traces and the log learn of each request.

import type { SamplingParams } from '../config/index.js'
import type { Engine, EngineRequest, RequestOutput, RequestStream } from '../engine/index.js'
import type { Clock } from './clock.js'
import type { Logger } from './logger.js'
import { RequestError } from './request-error.js'
import type { RouteRequest } from './route.js'
import type { LogConfig } from './server-config.js'
import type { Tracing } from './tracing.js'

/** After how many seconds a client that was turned away may come again. */
export const RETRY_AFTER_SECONDS = 1

/** What the ids of replies have before those of their requests. */
const REPLY_PREFIX = /^(?:chatcmpl-|cmpl-|resp_|msg_|embd-|score-|rerank-)/

/** Who counts and times what goes through; times are in seconds, moments in milliseconds since 1970. */
export interface RequestMeter {
  stepped(numScheduledTokens: number): void
  firstToken(seconds: number, numPromptTokens: number): void
  nextToken(seconds: number): void
  ended(output: RequestOutput, params: SamplingParams, error: Error | undefined, nowMs: number): void
}

export interface IntakeOptions {
  readonly engine: Engine
  readonly metrics: RequestMeter
  readonly logger: Logger
  readonly clock: Clock
  readonly log: LogConfig
  /** Sequences that may run and wait in all. */
  readonly maxSequences: number
}

interface Running {
  readonly stream: RequestStream
  readonly from: RouteRequest
  readonly numSequences: number
}

export class RequestIntake {
  /** Set once it is known whether there is an OpenTelemetry to tell. */
  tracing: Tracing | undefined
  readonly #options: IntakeOptions
  /** By the engine's id. */
  readonly #running = new Map<string, Running>()
  #numSequences = 0
  readonly #stopObserving: () => void
  #arrivals = 0
  #closed = false

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#stopObserving = options.engine.observe({
      stepped: numScheduledTokens => options.metrics.stepped(numScheduledTokens),
      ended: (output, params, error) => this.#ended(output, params, error),
    })
  }

  /** @throws RequestError 429, 503; what `Engine.add` throws. */
  submit(request: EngineRequest, from: RouteRequest): RequestStream {
    const { engine, maxSequences, clock } = this.#options
    if (this.#closed) throw new RequestError(503, 'The server is shutting down.')
    const numSequences = request.params.n
    if (this.#numSequences + numSequences > maxSequences) {
      throw RequestError.overloaded(
        `The server is overloaded: ${this.#numSequences} sequences run or wait, and ${maxSequences} may.`,
        RETRY_AFTER_SECONDS,
      )
    }
    const requestId = this.#freeId(request.requestId)
    const arrivalMs = from.arrivalMs ?? clock.now()
    const stream = engine.add({ ...request, requestId, signal: request.signal ?? from.signal })
    this.#numSequences += numSequences
    this.#running.set(requestId, { stream, from, numSequences })
    this.#logRequest(request)
    return timed(stream, request.promptTokenIds.length, arrivalMs, this.#options)
  }

  /** Requests in the engine. */
  get numRequests(): number {
    return this.#running.size
  }

  /**
   * Ends requests by their own ids, by those of replies, or by those of the HTTP requests that brought them; says how many
   * there were.
   */
  abort(requestIds: ReadonlySet<string>): number {
    let count = 0
    for (const [id, { stream, from }] of [...this.#running]) {
      if (!namesRequest(requestIds, id, from)) continue
      stream.abort()
      count += 1
    }
    return count
  }

  /** Ends all; says how many there were. */
  abortAll(): number {
    const running = [...this.#running.values()]
    for (const { stream } of running) stream.abort()
    return running.length
  }

  /** From now on nothing is taken. */
  close(): void {
    this.#closed = true
  }

  /** The engine tells no more of its steps and requests. */
  leaveEngine(): void {
    this.#stopObserving()
  }

  /** Clients may give two requests one id; the engine tells requests apart by theirs. */
  #freeId(wanted: string): string {
    if (!this.#running.has(wanted)) return wanted
    this.#arrivals += 1
    return this.#freeId(`${wanted}-${this.#arrivals}`)
  }

  #ended(output: RequestOutput, params: SamplingParams, error: Error | undefined): void {
    const { metrics, clock, log, logger } = this.#options
    const { requestId } = output
    const running = this.#running.get(requestId)
    this.#running.delete(requestId)
    this.#numSequences -= running?.numSequences ?? 0
    const nowMs = clock.now()
    metrics.ended(output, params, error, nowMs)
    if (running !== undefined) this.tracing?.ended(output, params, error, running.from.headers, nowMs)
    if (error !== undefined && isFailure(error)) logger.error({ requestId, err: error }, 'a request failed')
    if (!log.outputs) return
    const texts = output.outputs.map(({ text }) => shortened(text, log.maxLogLength))
    const reasons = output.outputs.map(({ finishReason }) => finishReason)
    logger.info({ requestId, outputs: texts, finishReasons: reasons }, 'generated')
  }

  #logRequest({ requestId, prompt, promptTokenIds, params }: EngineRequest): void {
    const { log, logger } = this.#options
    if (!log.requests) return
    logger.info(
      { requestId, prompt: shortened(prompt ?? '', log.maxLogLength), numPromptTokens: promptTokenIds.length, params },
      'received request',
    )
  }
}

/** The stream itself, with the times of its tokens told to the metrics. */
function timed(
  stream: RequestStream,
  numPromptTokens: number,
  arrivalMs: number,
  { metrics, clock }: IntakeOptions,
): RequestStream {
  let lastMs: number | undefined
  let listener: (() => void) | undefined
  stream.onNews(() => {
    if (stream.error === undefined) {
      const nowMs = clock.now()
      if (lastMs === undefined) metrics.firstToken((nowMs - arrivalMs) / 1000, numPromptTokens)
      else metrics.nextToken((nowMs - lastMs) / 1000)
      lastMs = nowMs
    }
    listener?.()
  })
  return {
    requestId: stream.requestId,
    admitted: stream.admitted,
    final: () => stream.final(),
    onNews: onNews => {
      listener = onNews
      if (lastMs !== undefined || stream.ended) onNews()
    },
    take: () => stream.take(),
    get ended() {
      return stream.ended
    },
    get error() {
      return stream.error
    },
    abort: () => stream.abort(),
    [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
  }
}

/** Whether one of `requestIds` is that of a request, of its reply, or of the HTTP request that brought it. */
export function namesRequest(requestIds: ReadonlySet<string>, id: string, from: RouteRequest): boolean {
  // An endpoint may have put something behind the id of the reply, so that two of one id can run.
  const own = [id, id.slice(0, id.lastIndexOf('-')), from.requestId]
  return [...requestIds].some(wanted => own.includes(wanted) || own.includes(wanted.replace(REPLY_PREFIX, '')))
}

export function isFailure(error: Error): boolean {
  const { code } = error as { code?: unknown }
  return code === 'ERR_RUNNER' || code === 'ERR_WORKER' || code === 'ERR_INTERNAL'
}

export function shortened(text: string, most: number | undefined): string {
  return most === undefined ? text : text.slice(0, most)
}
