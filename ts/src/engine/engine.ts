// An engine: one model brought up, one loop, and the requests on their way through it.

import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import {
  Core,
  type CoreRequest,
  type CoreStats,
  Detokenizers,
  HostSampler,
  loadNative,
  type Native,
  type RenderOptions,
  Text,
} from '../binding/index.js'
import type { EngineConfig, SamplingParams } from '../config/index.js'
import {
  EngineClosedError,
  InternalError,
  InvalidArgumentError,
  isWorkerError,
  RequestAbortedError,
  TokenizerError,
  WorkerError,
} from '../errors.js'
import { type CacheInfo, Executor, type OpenRank } from '../executor/index.js'
import { deselectFramework, selectFramework } from '../plugin/current-framework.js'
import type { Framework } from '../plugin/framework.js'
import type { ModelInfo } from '../plugin/model-runner.js'
import { type AdmissionLimits, checkParams, checkPrompt } from './admission.js'
import { defaultSamplingParams } from './default-sampling-params.js'
import { EngineLoop } from './engine-loop.js'
import { type EngineRequest, toCoreRequest } from './engine-request.js'
import { OutputProcessor } from './output-processor.js'
import { RequestState } from './request-state.js'
import { type RequestStream, streamOf } from './request-stream.js'
import { SeedSource } from './seed-source.js'

/** Counts since the start, and what there is now. */
export type EngineStats = CoreStats

/** Host-side threads for sampling: more do not pay, the device has the rest. */
const SAMPLER_THREADS = 4

interface Parts {
  readonly native: Native
  readonly text: Text | undefined
  readonly executor: Executor
}

export class Engine {
  readonly modelInfo: ModelInfo
  readonly cacheInfo: CacheInfo
  /** Prompt and output tokens of one sequence. */
  readonly maxModelLen: number
  /** The class defaults with those of generation_config.json laid over them. */
  readonly defaultSamplingParams: SamplingParams
  readonly #native: Native
  readonly #text: Text | undefined
  readonly #executor: Executor
  readonly #core: Core
  readonly #loop: EngineLoop
  readonly #processor: OutputProcessor
  readonly #limits: AdmissionLimits
  readonly #seeds: SeedSource
  readonly #states = new Map<string, RequestState>()
  /** What the core was given, in order of arrival: to be given again if the worker is lost before the first token. */
  readonly #admitted = new Map<RequestState, CoreRequest>()
  /** Run a second time after a worker was lost; there is no third. */
  readonly #rerun = new Set<RequestState>()
  /** What undoes a request's listener on its signal. */
  readonly #signalOff = new Map<RequestState, () => void>()
  #arrivals = 0
  #closing: Promise<void> | undefined

  private constructor(config: EngineConfig, { native, text, executor }: Parts) {
    const { modelInfo, cacheInfo, limits } = executor
    this.modelInfo = modelInfo
    this.cacheInfo = cacheInfo
    this.maxModelLen = limits.maxModelLen
    this.defaultSamplingParams = defaultSamplingParams(config.model.generationConfig, modelInfo, limits.maxModelLen)
    this.#native = native
    this.#text = text
    this.#executor = executor
    this.#seeds = new SeedSource(config.model.seed)
    this.#limits = {
      vocabSize: modelInfo.vocabSize,
      maxModelLen: limits.maxModelLen,
      maxLogprobs: config.model.maxLogprobs,
      hasTokenizer: text !== undefined,
    }
    this.#core = new Core(native, {
      ...limits,
      numBlocks: cacheInfo.numBlocks,
      enablePrefixCaching: config.cache.enablePrefixCaching,
      enableChunkedPrefill: config.scheduler.enableChunkedPrefill,
      longPrefillTokenThreshold: config.scheduler.longPrefillTokenThreshold,
      policy: config.scheduler.policy,
      hashSecret: randomBytes(16),
      ...(modelInfo.slidingWindow !== null && { slidingWindow: modelInfo.slidingWindow }),
    })
    const sampler = new HostSampler(native, {
      vocabSize: modelInfo.vocabSize,
      maxLogprobs: config.model.maxLogprobs,
      logprobsMode: config.model.logprobsMode,
      threads: config.device.threads ?? Math.min(SAMPLER_THREADS, availableParallelism()),
    })
    this.#processor = new OutputProcessor({
      text,
      detokenizers: text && new Detokenizers(native, text.tokenizer),
      now: () => performance.timeOrigin + performance.now(),
      abort: sequenceId => this.#loop.abort(sequenceId),
      ended: state => this.#release(state),
    })
    this.#loop = new EngineLoop(this.#core, sampler, executor, {
      scheduled: sequenceIds => this.#processor.scheduled(sequenceIds),
      stepped: (batch, output, sampled) => this.#processor.stepped(batch, output, sampled),
      failed: (sequenceIds, cause) => this.#processor.failed(sequenceIds, cause),
      lost: cause => this.#lose(cause),
      restarted: () => this.#runAgain(),
      broke: cause => this.#break(cause),
    })
  }

  /**
   * Loads tokenizer and weights, sizes the KV cache, warms up.
   * @throws ModelError, TokenizerError, OutOfMemoryError, InvalidArgumentError, NativeBindingError.
   */
  static async create(
    config: EngineConfig,
    open: OpenRank,
    onProgress: (fraction: number) => void = () => {},
  ): Promise<Engine> {
    const { model, cache, scheduler, device } = config
    const native = await loadNative()
    const text =
      model.tokenizerPath === undefined ? undefined : await Text.load(native, model.tokenizerPath, model.chatTemplate)
    const executor = await Executor.create(
      open,
      {
        modelPath: model.path,
        dtype: model.dtype,
        threads: device.threads,
        eager: device.enforceEager,
        worldSize: device.tensorParallelSize,
        restart: device.restart,
        maxModelLen: model.maxModelLen,
        cache,
        scheduler,
      },
      onProgress,
    )
    try {
      const engine = new Engine(config, { native, text, executor })
      selectFramework(engine)
      return engine
    } catch (error) {
      await executor.close()
      throw error
    }
  }

  /** The adapter of the framework that the model runs on; with several ranks, of the first. */
  get framework(): Framework {
    return this.#executor.framework
  }

  get hasTokenizer(): boolean {
    return this.#text !== undefined
  }

  /** Ids of many texts, in one call off the JavaScript thread. @throws TokenizerError. */
  encode(texts: readonly string[], addSpecialTokens: boolean): Promise<Int32Array[]> {
    return this.#tokenizer().encode(texts, addSpecialTokens)
  }

  /** @throws TokenizerError, PromptError for an id that is none. */
  decode(ids: ArrayLike<number>, skipSpecialTokens = true): string {
    return this.#tokenizer().decode(ids, skipSpecialTokens)
  }

  /** The prompt that messages become. @throws ChatTemplateError. */
  renderChat(messages: readonly unknown[], options: RenderOptions): string {
    return this.#tokenizer().render(messages, options, new Date())
  }

  /**
   * Takes a request. Requests of one tick begin in one step.
   * @throws PromptError, InvalidArgumentError, RequestAbortedError, EngineClosedError, at once.
   */
  add(request: EngineRequest): RequestStream {
    const { requestId, params, signal } = request
    if (this.#closing !== undefined) throw new EngineClosedError()
    if (signal?.aborted) throw new RequestAbortedError(undefined, { cause: signal.reason })
    if (this.#states.has(requestId)) {
      throw new InvalidArgumentError('requestId', 'A request with this id runs already.', requestId)
    }
    const promptTokenIds = checkPrompt(request.promptTokenIds, this.#limits)
    checkParams(params, this.#limits)
    const state = new RequestState({
      requestId,
      prompt: request.prompt,
      promptTokenIds,
      params,
      arrivalMs: performance.timeOrigin + performance.now(),
    })
    this.#admit(request, state)
    this.#states.set(requestId, state)
    this.#listen(state, signal)
    return streamOf(state, () => this.#end(state, new RequestAbortedError()))
  }

  /** Ends a request; its consumer gets `ERR_ABORTED`. Nothing happens if there is none of this id. */
  abort(requestId: string): void {
    const state = this.#states.get(requestId)
    if (state !== undefined) this.#end(state, new RequestAbortedError())
  }

  stats(): EngineStats {
    return this.#core.stats()
  }

  /** Forgets cached prompt beginnings. False, and nothing changed, while requests run. */
  resetPrefixCache(): boolean {
    return this.#core.resetPrefixCache()
  }

  /** Frees the model. What runs is aborted with `ERR_CLOSED`, or with `drain` brought to its end first. */
  close(options: { readonly drain?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close(options.drain ?? false)
    return this.#closing
  }

  async #close(drain: boolean): Promise<void> {
    if (drain) await this.#loop.idle()
    for (const state of [...this.#states.values()]) this.#end(state, new EngineClosedError())
    await this.#loop.stop()
    deselectFramework(this)
    await this.#executor.close()
  }

  #admit(request: EngineRequest, state: RequestState): void {
    const { params, promptTokenIds } = state.request
    this.#arrivals += 1
    const coreRequest = toCoreRequest(request, {
      promptTokenIds,
      eosTokenIds: this.modelInfo.eosTokenIds,
      seed: this.#seeds.next(),
      arrival: this.#arrivals,
      badWords: this.#text?.badWordIds(params.badWords) ?? [],
    })
    this.#enter(state, coreRequest)
    this.#admitted.set(state, coreRequest)
  }

  #enter(state: RequestState, request: CoreRequest): void {
    const { first } = this.#loop.add(request, this.#native.needsHostSampling(request.sampling))
    try {
      this.#processor.add(state, first)
    } catch (error) {
      this.#processor.drop(state)
      throw error
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
    this.#release(state)
    state.fail(error)
  }

  #release(state: RequestState): void {
    this.#states.delete(state.request.requestId)
    this.#admitted.delete(state)
    this.#rerun.delete(state)
    this.#signalOff.get(state)?.()
    this.#signalOff.delete(state)
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
      if (!this.#rerun.has(state) || this.#processor.follows(state)) continue
      try {
        this.#enter(state, request)
      } catch (error) {
        this.#end(state, error as Error)
      }
    }
  }

  /** The loop cannot go on, for an invariant is broken or a lost worker does not come back: nobody may wait for ever. */
  #break(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const Cause = isWorkerError(cause) ? WorkerError : InternalError
    for (const state of [...this.#states.values()]) {
      this.#release(state)
      state.fail(new Cause(`The engine's loop ended: ${reason}`, { cause }))
    }
    deselectFramework(this)
    this.#closing ??= this.#executor.close()
  }

  #tokenizer(): Text {
    if (this.#closing !== undefined) throw new EngineClosedError()
    if (this.#text === undefined)
      throw new TokenizerError(
        'This engine was made without a tokenizer: prompts are token ids, and outputs have no text.',
      )
    return this.#text
  }
}
