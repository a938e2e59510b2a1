// Everything that the loop needs, brought up and held together in one thread: the model's workers, the scheduler, the host's
// sampler. It knows no text and no request; it runs in the thread that made it.

import { Core, type CoreStats, Grammars, HostSampler, type Native, WorkQueue } from '../binding/index.js'
import type { EngineConfig } from '../config/index.js'
import { EngineClosedError, GrammarError, InternalError } from '../errors.js'
import { Executor, type OpenRank } from '../executor/index.js'
import type { Framework } from '../plugin/framework.js'
import { Drafter } from './drafter.js'
import type { EmbedJob } from './embed-queue.js'
import { EngineLoop, type LoopListener, type Steering } from './engine-loop.js'
import type { LoopRequest } from './engine-request.js'
import type { GrammarRequest } from './grammar-request.js'
import type { LoopPlatform } from './loop-platform.js'
import type { AdmissionAnswer, LoopEvents, LoopFacts, LoopPort, Withdraw } from './loop-port.js'
import { ProcessorRegistry } from './processor-registry.js'
import { randomBytes } from './random-bytes.js'
import { newsOf } from './step-news.js'

/** Host-side threads for sampling: more do not pay, the device has the rest. */
const SAMPLER_THREADS = 4

/** Grammars that are compiled at once: one that takes long keeps no other waiting, and steps of the model find a thread free. */
const COMPILED_AT_ONCE = 2

/** The null block and one more. */
const FEWEST_BLOCKS = 2

export class LoopHost implements LoopPort {
  readonly facts: LoopFacts
  readonly #native: Native
  readonly #executor: Executor
  readonly #core: Core
  readonly #loop: EngineLoop
  /** Sequences that no step had yet. */
  readonly #unscheduled = new Set<number>()
  readonly #makeGrammars: () => Promise<Grammars>
  readonly #processors: ProcessorRegistry
  /** Made when the first request asks for one. */
  #grammars: Promise<Grammars> | undefined
  readonly #compilations = new WorkQueue(COMPILED_AT_ONCE)
  /** Requests whose grammar is not compiled yet. */
  #numCompiling = 0
  /** Who waits until nothing is compiled. */
  readonly #idlers: (() => void)[] = []
  #closed = false

  private constructor(
    config: EngineConfig,
    native: Native,
    executor: Executor,
    events: LoopEvents,
    {
      parallelism,
      warn,
      processors,
    }: Pick<LoopPlatform, 'parallelism' | 'warn'> & { readonly processors: ProcessorRegistry },
  ) {
    const { modelInfo, cacheInfo, limits, draft } = executor
    this.facts = { modelInfo, cacheInfo, limits }
    this.#native = native
    this.#executor = executor
    this.#processors = processors
    const { speculative } = config.scheduler
    this.#core = new Core(native, {
      ...limits,
      // A model that does not generate has no cache, and no request of it comes so far.
      numBlocks: Math.max(cacheInfo.numBlocks, FEWEST_BLOCKS),
      enablePrefixCaching: config.cache.enablePrefixCaching,
      enableChunkedPrefill: config.scheduler.enableChunkedPrefill,
      longPrefillTokenThreshold: config.scheduler.longPrefillTokenThreshold,
      policy: config.scheduler.policy,
      ...(speculative?.method === 'ngram' && {
        promptLookup: {
          maxDraftTokens: speculative.numSpeculativeTokens,
          minMatch: speculative.promptLookupMin,
          maxMatch: speculative.promptLookupMax,
          maxStepTokens: speculative.maxStepTokens,
        },
      }),
      ...(draft !== undefined &&
        speculative !== undefined && {
          draftModel: {
            maxDraftTokens: speculative.numSpeculativeTokens,
            maxStepTokens: speculative.maxStepTokens,
            maxModelLen: draft.limits.maxModelLen,
            vocabSize: Math.min(draft.modelInfo.vocabSize, modelInfo.vocabSize),
          },
        }),
      hashSecret: randomBytes(16),
      ...(modelInfo.slidingWindow !== null && { slidingWindow: modelInfo.slidingWindow }),
    })
    const threads = config.device.threads ?? Math.min(SAMPLER_THREADS, parallelism)
    const sampler = new HostSampler(native, {
      vocabSize: modelInfo.vocabSize,
      maxLogprobs: config.model.maxLogprobs,
      logprobsMode: config.model.logprobsMode,
      threads,
    })
    this.#makeGrammars = async () => {
      const { tokenizerPath } = config.model
      if (tokenizerPath === undefined) {
        throw new GrammarError('ERR_GRAMMAR_UNSUPPORTED', 'Structured outputs need a tokenizer; this engine has none.')
      }
      const { vocabSize, eosTokenIds } = modelInfo
      return Grammars.create(native, { tokenizerPath, vocabSize, eosTokenIds, threads })
    }
    const listener: LoopListener = {
      scheduled: sequenceIds => this.#scheduled(sequenceIds, events),
      stepped: (batch, output, sampled) => {
        events.stepped(newsOf(batch, output, sampled, nowMs()))
        events.told()
      },
      failed: (sequenceIds, cause) => events.failed(sequenceIds, cause),
      lost: cause => events.lost(cause),
      restarted: () => events.restarted(),
      broke: cause => {
        events.broke(cause)
        executor.close().catch(() => {})
      },
    }
    const drafter = draft && this.#makeDrafter(draft.modelInfo.vocabSize, threads, warn)
    this.#loop = new EngineLoop(this.#core, sampler, executor, listener, drafter)
  }

  #makeDrafter(vocabSize: number, threads: number, warn: (message: string) => void): Drafter {
    const sampler = new HostSampler(this.#native, { vocabSize, maxLogprobs: 0, logprobsMode: 'raw_logprobs', threads })
    return new Drafter(
      this.#core,
      sampler,
      () => this.#executor.draft,
      cause => {
        const reason = cause instanceof Error ? cause.message : String(cause)
        warn(`The model that drafts has failed; the engine goes on without drafts. ${reason}`)
      },
    )
  }

  /**
   * Loads the logits processors and the weights, sizes the KV cache, warms up.
   * @throws LogitsProcessorError, ModelError, OutOfMemoryError, InvalidArgumentError, NativeBindingError, what the plugin throws.
   */
  static async create(
    config: EngineConfig,
    open: OpenRank,
    events: LoopEvents,
    onProgress: (fraction: number) => void,
    platform: LoopPlatform,
  ): Promise<LoopHost> {
    const { model, cache, scheduler, device } = config
    const native = await platform.loadNative()
    const processors = await ProcessorRegistry.load(config.logitsProcessors)
    const executor = await Executor.create(
      open,
      {
        modelPath: model.path,
        dtype: model.dtype,
        quantization: model.quantization,
        ...(model.imatrix !== undefined && { imatrix: model.imatrix }),
        ...(model.packedWeightsCache !== undefined && { packedWeightsCache: model.packedWeightsCache }),
        threads: device.threads,
        eager: device.enforceEager,
        ownThread: platform.ownThread,
        worldSize: device.tensorParallelSize,
        restart: device.restart,
        maxModelLen: model.maxModelLen,
        cache,
        scheduler,
        freeRendezvous: platform.freeRendezvous,
        ...(scheduler.speculative?.method === 'draft_model' && {
          draft: {
            modelPath: scheduler.speculative.path,
            quantization: scheduler.speculative.quantization,
            numTokens: scheduler.speculative.numSpeculativeTokens,
          },
        }),
      },
      onProgress,
    )
    try {
      return new LoopHost(config, native, executor, events, {
        parallelism: platform.parallelism,
        warn: platform.warn,
        processors,
      })
    } catch (error) {
      await executor.close()
      throw error
    }
  }

  get framework(): Framework {
    return this.#executor.framework
  }

  add({ grammar, ...request }: LoopRequest, answer: AdmissionAnswer): Withdraw {
    if (grammar === undefined) {
      this.#admit(request, {}, answer)
      return () => {} // it has its answer
    }
    const controller = new AbortController()
    this.#admitWithGrammar(request, grammar, answer, controller.signal)
    return () => controller.abort()
  }

  #admit({ processors, ...request }: LoopRequest, steering: Steering, answer: AdmissionAnswer): void {
    let first: number
    try {
      const admission = this.#loop.add(request, this.#native.needsHostSampling(request.sampling), {
        ...steering,
        ...(processors !== undefined && { processors: this.#processors.bind(processors) }),
      })
      first = admission.first
      for (let id = first; id < first + admission.count; id += 1) this.#unscheduled.add(id)
    } catch (error) {
      answer.refused(error instanceof Error ? error : new InternalError(String(error)))
      return
    }
    answer.taken(first)
  }

  /** The request enters when its grammar is compiled, unless it is withdrawn before; others go on meanwhile. */
  async #admitWithGrammar(
    request: LoopRequest,
    { source, follow }: GrammarRequest,
    answer: AdmissionAnswer,
    withdrawn: AbortSignal,
  ): Promise<void> {
    this.#numCompiling += 1
    try {
      this.#grammars ??= this.#makeGrammars()
      const grammars = await this.#grammars
      const grammar = await this.#compilations.run(() => grammars.compile(source), withdrawn)
      if (this.#closed) throw new EngineClosedError()
      this.#admit(request, { constraint: { grammars, grammar, follow } }, answer)
    } catch (error) {
      answer.refused(error instanceof Error ? error : new InternalError(String(error)))
    } finally {
      this.#numCompiling -= 1
      if (this.#numCompiling === 0) for (const resolve of this.#idlers.splice(0)) resolve()
    }
  }

  abort(sequenceIds: readonly number[]): void {
    for (const id of sequenceIds) {
      this.#unscheduled.delete(id)
      this.#loop.abort(id)
    }
  }

  embed(job: EmbedJob, signal: AbortSignal): Promise<Float32Array> {
    return this.#loop.embed(job, signal)
  }

  stats(): CoreStats {
    return this.#core.stats()
  }

  /** Those of `stats` as numbers alone, to be sent. */
  statNumbers(): Float64Array {
    return this.#core.statNumbers()
  }

  async resetPrefixCache(): Promise<boolean> {
    return this.#core.resetPrefixCache()
  }

  pause(): Promise<void> {
    return this.#loop.pause()
  }

  resume(): void {
    this.#loop.resume()
  }

  hold(): void {}

  async idle(): Promise<void> {
    while (this.#numCompiling > 0) await new Promise<void>(resolve => this.#idlers.push(resolve))
    await this.#loop.idle()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#loop.stop()
    await this.#executor.close()
  }

  #scheduled(sequenceIds: Int32Array, events: LoopEvents): void {
    if (this.#unscheduled.size === 0) return
    const fresh = sequenceIds.filter(id => this.#unscheduled.delete(id))
    if (fresh.length > 0) events.scheduled(fresh, nowMs())
  }
}

function nowMs(): number {
  return performance.timeOrigin + performance.now()
}
