// An engine: one model brought up, one loop, and the requests on their way through it. The loop is in this thread or in one
// of its own; nothing here runs a step. How an engine is made is its runtime's own: `node-engine.ts`, `web/web-engine.ts`.

import { type CoreStats, Detokenizers, type RenderOptions, type Text } from '../binding/index.js'
import { check } from '../config/check.js'
import type { EngineConfig, SamplingParams } from '../config/index.js'
import {
  EngineClosedError,
  InternalError,
  InvalidArgumentError,
  isWorkerError,
  NotSupportedError,
  RequestAbortedError,
  TokenizerError,
  WorkerError,
} from '../errors.js'
import type { CacheInfo } from '../executor/index.js'
import { deselectFramework, selectFramework } from '../plugin/current-framework.js'
import type { Framework } from '../plugin/framework.js'
import type { ModelInfo } from '../plugin/model-runner.js'
import { type AdmissionLimits, checkParams, checkPrompt } from './admission.js'
import { defaultSamplingParams } from './default-sampling-params.js'
import type { EmbeddingOutput, EmbedInput, EmbedOptions, ScoreOptions, ScoreOutput } from './embedding.js'
import { EmbeddingCalls } from './embedding-calls.js'
import { type EngineParts, type EnginePlan, openParts, throwIfAborted } from './engine-plan.js'
import {
  type EngineRequest,
  type GenerateRequest,
  type LoopRequest,
  toLoopRequest,
  toSamplingParams,
} from './engine-request.js'
import type { LoopEvents, LoopPort, Withdraw } from './loop-port.js'
import { OutputProcessor } from './output-processor.js'
import { PauseGate, type PauseMode } from './pause-gate.js'
import { normalizePrompt } from './prompt.js'
import { type PreparedPrompt, preparePrompts } from './prompt-preparation.js'
import { randomId } from './random-bytes.js'
import { checkReasoningBudget } from './reasoning-budget.js'
import type { RequestOutput } from './request-output.js'
import { RequestState } from './request-state.js'
import { type RequestStream, streamOf } from './request-stream.js'
import { SeedSource } from './seed-source.js'
import type { StepNews } from './step-news.js'

/** Counts since the start, and what there is now. */
export type EngineStats = CoreStats

/** Whether the engine can serve. */
export type EngineHealth = { readonly status: 'ok' } | { readonly status: 'closed' | 'dead'; readonly error: Error }

/** Who hears of steps and of requests that ended: metrics. */
export interface EngineObserver {
  /** After each step, with the number of tokens that it computed; the engine's `stats` know of it. */
  stepped?(numScheduledTokens: number): void
  /** With the whole output, whatever its consumer took; `error` is what ended it early. */
  ended?(output: RequestOutput, params: SamplingParams, error: Error | undefined): void
}

/** A model that was brought up, and the requests on their way through it. */
export class Engine {
  /** What is known of the model. */
  readonly modelInfo: ModelInfo
  /** Blocks and tokens of the KV cache. */
  readonly cacheInfo: CacheInfo
  /** Prompt and output tokens of one sequence. */
  readonly maxModelLen: number
  /** The class defaults with those of generation_config.json laid over them. */
  readonly defaultSamplingParams: SamplingParams
  /** Whether priorities of requests mean something. */
  readonly schedulingPolicy: EngineConfig['scheduler']['policy']
  /** Sequences that run at once. */
  readonly maxNumSeqs: number
  /** The folder of the tokenizer's files; undefined: there is none. */
  readonly tokenizerPath: string | undefined
  readonly #text: Text | undefined
  readonly #loop: LoopPort
  readonly #gate: PauseGate
  readonly #processor: OutputProcessor
  readonly #limits: AdmissionLimits
  readonly #seeds: SeedSource
  readonly #states = new Map<string, RequestState>()
  /** What the core was given, in order of arrival: to be given again if the worker is lost before the first token. */
  readonly #admitted = new Map<RequestState, LoopRequest>()
  /** Run a second time after a worker was lost; there is no third. */
  readonly #rerun = new Set<RequestState>()
  /** What takes a request back that the loop has not answered yet. */
  readonly #unanswered = new Map<RequestState, Withdraw>()
  /** What undoes a request's listener on its signal. */
  readonly #signalOff = new Map<RequestState, () => void>()
  readonly #observers = new Set<EngineObserver>()
  readonly #embeddings: EmbeddingCalls
  #arrivals = 0
  #broken: Error | undefined
  #closing: Promise<void> | undefined

  protected constructor({ config, native, text, loop }: EngineParts) {
    const { modelInfo, cacheInfo, limits } = loop.facts
    this.modelInfo = modelInfo
    this.cacheInfo = cacheInfo
    this.maxModelLen = limits.maxModelLen
    this.defaultSamplingParams = defaultSamplingParams(config.model.generationConfig, modelInfo, limits.maxModelLen)
    this.schedulingPolicy = config.scheduler.policy
    this.maxNumSeqs = limits.maxNumSeqs
    this.tokenizerPath = config.model.tokenizerPath
    this.#text = text
    this.#loop = loop
    this.#gate = new PauseGate(loop)
    this.#embeddings = new EmbeddingCalls({
      modelInfo,
      maxModelLen: limits.maxModelLen,
      text,
      run: (job, signal) => loop.embed(job, signal),
      onChange: () => this.#hold(),
    })
    this.#seeds = new SeedSource(config.model.seed)
    this.#limits = {
      vocabSize: modelInfo.vocabSize,
      maxModelLen: limits.maxModelLen,
      maxLogprobs: config.model.maxLogprobs,
      hasTokenizer: text !== undefined,
      processorNames: config.logitsProcessors.map(({ name }) => name),
    }
    this.#processor = new OutputProcessor({
      text,
      detokenizers: text && new Detokenizers(native, text.tokenizer),
      abort: sequenceIds => loop.abort(sequenceIds),
      ended: state => this.#release(state),
    })
  }

  /** Carries a plan out; `make` gives the engine of the parts. @throws ModelError, OutOfMemoryError, TokenizerError. */
  protected static async open<E extends Engine>(plan: EnginePlan, make: (parts: EngineParts) => E): Promise<E> {
    const made: { engine?: E } = {}
    const parts = await openParts(
      plan,
      Engine.#eventsOf(() => made.engine),
    )
    try {
      made.engine = make(parts)
    } catch (error) {
      await parts.loop.close()
      throw error
    }
    if (plan.isLocal) selectFramework(made.engine)
    return made.engine
  }

  /**
   * The adapter of the framework that the model runs on; with several ranks, of the first.
   * @throws NotSupportedError if the loop has a thread of its own: the adapter lives there.
   */
  get framework(): Framework {
    return this.#loop.framework
  }

  /** False where `loadTokenizer` was: prompts are ids then, and outputs have no text. */
  get hasTokenizer(): boolean {
    return this.#text !== undefined
  }

  /**
   * Ids of many texts, in one call off the JavaScript thread. What still waits for its turn when `signal` is aborted is dropped.
   * @throws TokenizerError, RequestAbortedError.
   */
  encode(texts: readonly string[], addSpecialTokens: boolean, signal?: AbortSignal): Promise<Int32Array[]> {
    return this.#tokenizer().encode(texts, addSpecialTokens, signal)
  }

  /** @throws TokenizerError, PromptError for an id that is none. */
  decode(ids: ArrayLike<number>, skipSpecialTokens = true): string {
    return this.#tokenizer().decode(ids, skipSpecialTokens)
  }

  /** As `decode`; many ids are decoded off the JavaScript thread, unless `signal` is aborted before. */
  decodeMany(ids: ArrayLike<number>, skipSpecialTokens = true, signal?: AbortSignal): Promise<string> {
    return this.#tokenizer().decodeMany(ids, skipSpecialTokens, signal)
  }

  /** Characters that no token has more of. @throws TokenizerError if there is no tokenizer. */
  get longestToken(): number {
    return this.#tokenizer().longestToken
  }

  /** The chat template that conversations with or without tools are rendered by. @throws ChatTemplateError if there is none. */
  chatTemplateSource(hasTools: boolean): string {
    return this.#tokenizer().templateSource(hasTools)
  }

  /** The prompt that messages become. @throws ChatTemplateError. */
  renderChat(messages: readonly unknown[], options: RenderOptions): string {
    return this.#tokenizer().render(messages, options, new Date())
  }

  /** As `renderChat`; long conversations are rendered off the JavaScript thread, unless `signal` is aborted before. */
  async renderLongChat(messages: readonly unknown[], options: RenderOptions, signal?: AbortSignal): Promise<string> {
    return this.#tokenizer().renderLong(messages, options, new Date(), signal)
  }

  /**
   * Takes a request. Requests of one tick begin in one step.
   * @throws PromptError, InvalidArgumentError, RequestAbortedError, EngineClosedError, at once.
   */
  add(request: EngineRequest): RequestStream {
    const { requestId, params, signal } = request
    this.#throwIfOver()
    if (this.modelInfo.generates === false) {
      const { architecture, pooling } = this.modelInfo
      const call = pooling?.scores ? 'score' : 'embed'
      throw new NotSupportedError(`${architecture} generates no text: it is a model for \`${call}\`.`)
    }
    if (signal?.aborted) throw new RequestAbortedError(undefined, { cause: signal.reason })
    if (this.#states.has(requestId)) {
      throw new InvalidArgumentError('requestId', 'A request with this id runs already.', requestId)
    }
    const promptTokenIds = checkPrompt(request.promptTokenIds, this.#limits)
    checkParams(params, this.#limits)
    if (request.reasoningBudget !== undefined) checkReasoningBudget(request.reasoningBudget, this.#limits.vocabSize)
    const state = new RequestState({
      requestId,
      prompt: request.prompt,
      promptTokenIds,
      params,
      arrivalMs: performance.timeOrigin + performance.now(),
    })
    this.#states.set(requestId, state)
    this.#hold()
    this.#listen(state, signal)
    this.#admit(request, state)
    if (state.error !== undefined && state.firstSequence === undefined) throw state.error // refused at once
    return streamOf(state, () => this.#end(state, new RequestAbortedError()))
  }

  /**
   * Continues a prompt, as an iterable of what comes. Breaking the loop, or the signal, frees the request within one step.
   * @throws as `add`, and TokenizerError, ChatTemplateError.
   */
  async *generate(
    request: GenerateRequest,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<RequestOutput, void, undefined> {
    const { prompt, params, priority, chat = {} } = check.object('request', request)
    const { requestId = `request-${randomId()}` } = request
    throwIfAborted(check.optional(check.signal, 'signal', signal))
    const sampling = params === undefined ? this.defaultSamplingParams : toSamplingParams(params)
    const [prepared] = (await preparePrompts(this, [normalizePrompt(prompt)], chat, signal)) as [PreparedPrompt]
    const { ids, text, cacheSalt } = prepared
    yield* this.add({
      requestId,
      promptTokenIds: ids,
      params: sampling,
      ...(text !== undefined && { prompt: text }),
      ...(cacheSalt !== undefined && { cacheSalt }),
      ...(priority !== undefined && { priority: check.integer('priority', priority, -(2 ** 31), 2 ** 31 - 1) }),
      ...(signal !== undefined && { signal }),
    })
  }

  /**
   * A vector for each input, in their order. Inputs of all calls share the runner's calls, between steps of generations.
   * @throws PromptError, InvalidArgumentError, NotSupportedError, TokenizerError, RequestAbortedError, EngineClosedError.
   */
  async embed(inputs: readonly EmbedInput[], options: EmbedOptions = {}): Promise<EmbeddingOutput[]> {
    this.#throwIfOver()
    return this.#embeddings.embed(inputs, options)
  }

  /**
   * How well each pair of texts fits, in their order: by a cross-encoder, else by the cosine of both vectors.
   * @throws as `embed`.
   */
  async score(pairs: readonly (readonly [string, string])[], options: ScoreOptions = {}): Promise<ScoreOutput[]> {
    this.#throwIfOver()
    return this.#embeddings.score(pairs, options)
  }

  /** Ends a request; its consumer gets `ERR_ABORTED`. Nothing happens if there is none of this id. */
  abort(requestId: string): void {
    const state = this.#states.get(requestId)
    if (state !== undefined) this.#end(state, new RequestAbortedError())
  }

  /** Ends every request. */
  abortAll(): void {
    for (const state of [...this.#states.values()]) this.#end(state, new RequestAbortedError())
    this.#embeddings.abortAll(new RequestAbortedError())
  }

  /** Requests that have not ended. */
  get numRequests(): number {
    return this.#states.size + this.#embeddings.size
  }

  /** Counts since the start, and what there is now. */
  stats(): EngineStats {
    return this.#loop.stats()
  }

  /** Whether it can serve. */
  health(): EngineHealth {
    if (this.#broken !== undefined) return { status: 'dead', error: this.#broken }
    return this.#closing === undefined ? { status: 'ok' } : { status: 'closed', error: new EngineClosedError() }
  }

  /** Has `observer` called until the function that this gives is. */
  observe(observer: EngineObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /** Forgets cached prompt beginnings. False, and nothing changed, while requests run. */
  resetPrefixCache(): Promise<boolean> {
    this.#throwIfOver()
    return this.#loop.resetPrefixCache()
  }

  /** True between `pause` and `resume`. */
  get paused(): boolean {
    return this.#gate.paused
  }

  /** Runs no steps until `resume`; new requests wait. Resolves when no step is in flight. */
  async pause(mode: PauseMode = 'abort'): Promise<void> {
    this.#throwIfOver()
    await this.#gate.pause(mode, () => this.abortAll())
  }

  /** Ends a pause. */
  resume(): void {
    this.#gate.resume()
  }

  /** Frees the model. What runs is aborted with `ERR_CLOSED`, or with `drain` brought to its end first. */
  close(options: { readonly drain?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close(options.drain ?? false)
    return this.#closing
  }

  async #close(drain: boolean): Promise<void> {
    if (drain && this.#broken === undefined) {
      this.resume()
      await this.#loop.idle()
    }
    for (const state of [...this.#states.values()]) this.#end(state, new EngineClosedError())
    this.#embeddings.abortAll(new EngineClosedError())
    deselectFramework(this)
    await this.#loop.close()
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #admit(request: EngineRequest, state: RequestState): void {
    const { params, promptTokenIds } = state.request
    this.#arrivals += 1
    const context = {
      promptTokenIds,
      eosTokenIds: this.modelInfo.eosTokenIds,
      seed: this.#seeds.next(),
      arrival: this.#arrivals,
      processorNames: this.#limits.processorNames,
    }
    const admit = (badWords: number[][]) => {
      if (state.ended) return
      const loopRequest = toLoopRequest(request, { ...context, badWords })
      this.#admitted.set(state, loopRequest)
      this.#gate.pass(() => !state.ended && this.#enter(state, loopRequest))
    }
    const badWords = this.#text?.badWordIds(params.badWords) ?? []
    if (badWords instanceof Promise) badWords.then(admit).catch((error: Error) => this.#end(state, error))
    else admit(badWords)
  }

  #enter(state: RequestState, request: LoopRequest): void {
    let isAnswered = false
    const answered = () => {
      isAnswered = true
      this.#unanswered.delete(state)
    }
    const withdraw = this.#loop.add(request, {
      taken: first => {
        answered()
        this.#follow(state, first)
      },
      refused: error => {
        answered()
        this.#end(state, error)
      },
    })
    if (!isAnswered) this.#unanswered.set(state, withdraw)
  }

  /** The scheduler has the request. */
  #follow(state: RequestState, first: number): void {
    if (state.ended) {
      this.#loop.abort(state.continuations.map(({ index }) => first + index))
      return
    }
    try {
      this.#processor.add(state, first)
      state.taken()
    } catch (error) {
      this.#end(state, error as Error)
    }
  }

  #listen(state: RequestState, signal: AbortSignal | undefined): void {
    if (signal === undefined) return
    const onAbort = () => this.#end(state, new RequestAbortedError(undefined, { cause: signal.reason }))
    signal.addEventListener('abort', onAbort, { once: true })
    this.#signalOff.set(state, () => signal.removeEventListener('abort', onAbort))
  }

  /** Ends a request before its time. */
  #end(state: RequestState, error: Error): void {
    this.#processor.drop(state)
    this.#unanswered.get(state)?.()
    this.#unanswered.delete(state)
    state.fail(error)
    this.#release(state)
  }

  #release(state: RequestState): void {
    if (!this.#states.delete(state.request.requestId)) return
    this.#admitted.delete(state)
    this.#rerun.delete(state)
    this.#signalOff.get(state)?.()
    this.#signalOff.delete(state)
    this.#hold()
    for (const { ended } of this.#observers) ended?.(state.whole(), state.request.params, state.error)
  }

  /** A process does not end while somebody waits for its engine. */
  #hold(): void {
    this.#loop.hold(this.numRequests > 0)
  }

  /** The worker is lost with all that was computed: who has no token yet leaves the core until there is another worker. */
  #lose(cause: WorkerError): void {
    for (const state of [...this.#states.values()]) {
      if (state.hasTokens || this.#rerun.has(state)) {
        this.#end(state, new WorkerError(`The worker was lost: ${cause.message}`, { cause }))
      } else {
        this.#processor.drop(state)
        this.#rerun.add(state)
      }
    }
  }

  #runAgain(): void {
    for (const [state, request] of [...this.#admitted]) {
      if (this.#rerun.has(state) && !this.#processor.follows(state)) this.#enter(state, request)
    }
  }

  /** The loop cannot go on, for an invariant is broken or a lost worker does not come back: nobody may wait for ever. */
  #break(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const Cause = isWorkerError(cause) ? WorkerError : InternalError
    this.#broken = new Cause(`The engine's loop ended: ${reason}`, { cause })
    for (const state of [...this.#states.values()]) this.#end(state, this.#broken)
    deselectFramework(this)
  }

  #throwIfOver(): void {
    if (this.#broken !== undefined) throw new EngineClosedError('The engine has ended.', { cause: this.#broken })
    if (this.#closing !== undefined) throw new EngineClosedError()
  }

  #tokenizer(): Text {
    this.#throwIfOver()
    if (this.#text === undefined)
      throw new TokenizerError(
        'This engine was made without a tokenizer: prompts are token ids, and outputs have no text.',
      )
    return this.#text
  }

  /** What the loop tells goes to the engine, which is there before the first request is. */
  static #eventsOf(engine: () => Engine | undefined): LoopEvents {
    const tell = (call: (self: Engine) => void) => {
      const self = engine()
      if (self !== undefined) call(self)
    }
    return {
      scheduled: (sequenceIds, atMs) => tell(self => self.#processor.scheduled(sequenceIds, atMs)),
      stepped: news => tell(self => self.#step(news)),
      told: () => tell(self => self.#processor.tell()),
      failed: (sequenceIds, cause) => tell(self => self.#processor.failed(sequenceIds, cause)),
      lost: cause => tell(self => self.#lose(cause)),
      restarted: () => tell(self => self.#runAgain()),
      broke: cause => tell(self => self.#break(cause)),
    }
  }

  #step(news: StepNews): void {
    this.#processor.stepped(news)
    for (const { stepped } of this.#observers) stepped?.(news.numScheduledTokens)
  }
}
