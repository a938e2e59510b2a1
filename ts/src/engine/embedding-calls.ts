// Calls of `embed` and `score` on their way through the loop: each ends with its signal, with the engine, or with its numbers.

import type { PooledInput } from '../binding/index.js'
import { RequestAbortedError } from '../errors.js'
import type { ModelInfo } from '../plugin/model-runner.js'
import type { EmbedJob } from './embed-queue.js'
import {
  checkEmbedOptions,
  checkInputOptions,
  cosine,
  type EmbeddingOutput,
  type EmbedInput,
  type EmbedOptions,
  type PooledTextSource,
  type PoolingLimits,
  poolingLimits,
  prepareInputs,
  preparePairs,
  type ScoreOptions,
  type ScoreOutput,
  toJob,
  toVectors,
} from './embedding.js'

interface EmbeddingCallsOptions {
  readonly modelInfo: ModelInfo
  readonly maxModelLen: number
  readonly text: PooledTextSource | undefined
  /** The loop's numbers for a job. */
  readonly run: (job: EmbedJob, signal: AbortSignal) => Promise<Float32Array>
  /** A call has begun or ended. */
  readonly onChange: () => void
}

export class EmbeddingCalls {
  readonly #options: EmbeddingCallsOptions
  readonly #running = new Set<AbortController>()

  constructor(options: EmbeddingCallsOptions) {
    this.#options = options
  }

  /** Calls that are under way. */
  get size(): number {
    return this.#running.size
  }

  abortAll(error: Error): void {
    for (const controller of this.#running) controller.abort(error)
  }

  async embed(inputs: readonly EmbedInput[], options: EmbedOptions): Promise<EmbeddingOutput[]> {
    const limits = this.#limits()
    checkEmbedOptions(options, limits)
    return this.#call(options.signal, signal => this.#embed(inputs, options, limits, signal))
  }

  async score(pairs: readonly (readonly [string, string])[], options: ScoreOptions): Promise<ScoreOutput[]> {
    const limits = this.#limits()
    checkInputOptions(options, limits)
    return this.#call(options.signal, async signal => {
      if (!limits.pooling.scores) return this.#scoreByVectors(pairs, options, limits, signal)
      const prepared = await preparePairs(this.#options.text, pairs, { ...options, signal }, limits)
      const scores = await this.#options.run(toJob(prepared, 'score'), signal)
      return prepared.map(({ tokenIds }, index) => ({ score: scores[index] as number, numTokens: tokenIds.length }))
    })
  }

  async #embed(
    inputs: readonly EmbedInput[],
    options: EmbedOptions,
    limits: PoolingLimits,
    signal: AbortSignal,
  ): Promise<EmbeddingOutput[]> {
    const prepared = await prepareInputs(this.#options.text, inputs, { ...options, signal }, limits)
    const raw = await this.#options.run(toJob(prepared, options.pooling ?? limits.pooling.kind), signal)
    return toVectors(raw, options, limits.pooling).map((embedding, index) => ({
      embedding,
      promptTokenIds: (prepared[index] as PooledInput).tokenIds,
    }))
  }

  /** Each text is embedded once, however many pairs it is in; the first pair that it is in has its tokens. */
  async #scoreByVectors(
    pairs: readonly (readonly [string, string])[],
    options: ScoreOptions,
    limits: PoolingLimits,
    signal: AbortSignal,
  ): Promise<ScoreOutput[]> {
    const texts = [...new Set(pairs.flat())]
    const outputs = await this.#embed(texts, options, limits, signal)
    const byText = new Map(texts.map((text, index) => [text, outputs[index] as EmbeddingOutput]))
    const counted = new Set<string>()
    return pairs.map(pair => {
      const [one, other] = pair.map(text => byText.get(text) as EmbeddingOutput) as [EmbeddingOutput, EmbeddingOutput]
      const fresh = new Set(pair.filter(text => !counted.has(text)))
      for (const text of fresh) counted.add(text)
      const numTokens = [...fresh].reduce((sum, text) => sum + (byText.get(text)?.promptTokenIds.length ?? 0), 0)
      return { score: cosine(one.embedding, other.embedding), numTokens }
    })
  }

  #limits(): PoolingLimits {
    return poolingLimits(this.#options.modelInfo, this.#options.maxModelLen)
  }

  /** Runs a call, from the first text to the last number; it is over at once when its signal or the engine ends it. */
  async #call<T>(signal: AbortSignal | undefined, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (signal?.aborted) throw new RequestAbortedError(undefined, { cause: signal.reason })
    const controller = new AbortController()
    const onAbort = () => controller.abort(new RequestAbortedError(undefined, { cause: signal?.reason }))
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#running.add(controller)
    this.#options.onChange()
    try {
      return await new Promise<T>((resolve, reject) => {
        controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true })
        run(controller.signal).then(resolve, reject)
      })
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#running.delete(controller)
      this.#options.onChange()
    }
  }
}
