// The model runner of candle on the CPU: hands batches to Rust as they are.

import {
  type BatchLimits,
  type DTypeName,
  type EmbedBatch,
  EngineClosedError,
  type InputBatch,
  InvalidArgumentError,
  type KvCacheSpec,
  type MemoryProfile,
  type ModelInfo,
  type ModelOutput,
  type ModelRunner,
  type ModelSource,
  type PoolingInfo,
  type RunnerCapabilities,
  type Target,
  type Tensor,
} from 'quire-llm/plugin'
import type { Runner } from '../native/native.js'
import { nativeOf } from './host-tensor.js'
import type { Native } from './native.js'
import { bytesOf, unwrap } from './outcome.js'

const noTypes = new Int32Array(0)
const noLogits = new Float32Array(0)

export interface CandleRunnerOptions {
  readonly capabilities: RunnerCapabilities
  /** Threads that compute; undefined = as the model's size asks for. */
  readonly threads: number | undefined
  /** How many the model in this directory asks for. */
  readonly computeThreads: (path: string) => Promise<number>
  /** Kernels to force, or 'reference'; undefined = the best that this CPU has. */
  readonly kernels: string | undefined
  /** Writes what a loaded model packed; undefined where there is no disk. */
  readonly keepPackedWeights: ((native: Native, runner: Runner) => Promise<void>) | undefined
}

export class CandleRunner implements ModelRunner {
  readonly capabilities: RunnerCapabilities
  readonly #native: Native
  readonly #target: Target
  readonly #options: CandleRunnerOptions
  #runner: Runner | undefined
  #keeping: Promise<void> | undefined
  #tokenIds = new Int32Array(0)

  /** @throws InvalidArgumentError for a dtype or device that is not there. */
  constructor(native: Native, target: Target, options: CandleRunnerOptions) {
    const { dtypes } = options.capabilities
    if (target.dtype !== 'auto' && !dtypes.includes(target.dtype)) {
      throw new InvalidArgumentError(
        'dtype',
        `dtype must be auto, ${dtypes.join(' or ')} on this device, got ${target.dtype}.`,
        target.dtype,
      )
    }
    if (target.worldSize !== 1) {
      throw new InvalidArgumentError(
        'worldSize',
        `candle on the CPU runs on one rank, got ${target.worldSize}.`,
        target.worldSize,
      )
    }
    this.capabilities = options.capabilities
    this.#native = native
    this.#target = target
    this.#options = options
  }

  async loadModel({ path }: ModelSource, onProgress: (fraction: number) => void): Promise<ModelInfo> {
    const { computeThreads, threads = await computeThreads(path), kernels } = this.#options
    const { dtype, quantization = 'auto', imatrix, packedWeightsCache, kvCacheDtype = 'auto' } = this.#target
    const options = {
      dtype,
      quantization,
      kvCacheDtype,
      threads,
      ...(imatrix !== undefined && { imatrix }),
      ...(packedWeightsCache !== undefined && { packedWeightsCache }),
      ...(kernels !== undefined && { kernels }),
    }
    this.#runner = unwrap(await this.#native.Runner.load(path, options, onProgress))
    const info = unwrap(this.#runner.modelInfo())
    return {
      ...info,
      dtype: info.dtype as DTypeName,
      slidingWindow: info.slidingWindow ?? null,
      pooling: info.pooling as PoolingInfo,
    }
  }

  kvCacheSpec(): KvCacheSpec {
    const { blockSize } = this.#target
    const spec = unwrap(this.#loaded().kvCacheSpec(blockSize))
    const layer = {
      dtype: spec.dtype as DTypeName,
      bytesPerBlock: spec.bytesPerBlock,
      alignment: 0,
      shape: (numBlocks: number) => [2, numBlocks, spec.numKvHeads, blockSize, spec.entryElements],
    }
    return { blockSize, layers: Array.from({ length: spec.numLayers }, () => layer) }
  }

  async profile({ maxNumBatchedTokens, maxLogitsRows, maxModelLen }: BatchLimits): Promise<MemoryProfile> {
    return unwrap(this.#loaded().profile({ maxNumBatchedTokens, maxLogitsRows, maxModelLen }))
  }

  async bindKvCache(layers: readonly Tensor[]): Promise<void> {
    unwrap(this.#loaded().bindKvCache(layers.map(nativeOf)))
  }

  async warmup(): Promise<void> {
    const runner = this.#loaded()
    unwrap(await runner.warmup())
    if (this.#target.packedWeightsCache !== undefined) {
      this.#keeping = this.#options.keepPackedWeights?.(this.#native, runner)
    }
  }

  async execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    const { numRows } = batch
    if (this.#tokenIds.length < numRows) this.#tokenIds = new Int32Array(numRows * 2)
    // Whose tokens are drawn there has no use for logits here, and WebAssembly would copy all of the memory twice.
    const drawsThere = batch.samples && !batch.hostSampling && batch.numDraftTokens === undefined
    const runner = this.#loaded()
    const [words, room, tokenIds] = [batch.words, drawsThere ? noLogits : logits, this.#tokenIds].map(bytesOf) as [
      Buffer,
      Buffer,
      Buffer,
    ]
    // A step that is handed to another thread costs two wake-ups, and finds what it needs in another core's cache.
    const numTokens = unwrap(
      this.#target.ownThread === true
        ? runner.executeHere(words, room, tokenIds)
        : await runner.execute(words, room, tokenIds),
    )
    if (numTokens < 0) return { kind: 'logits' }
    const { sampleIndex } = batch
    const counts = new Int32Array(numRows)
    for (let row = 0; row < numRows; row += 1) counts[row] = (sampleIndex[row] as number) < 0 ? 0 : 1
    return { kind: 'tokens', counts, tokenIds: this.#tokenIds.subarray(0, numTokens) }
  }

  async embed({ tokenIds, tokenTypes, startLoc, output, part }: EmbedBatch, out: Float32Array): Promise<void> {
    const batch = {
      tokenIds: bytesOf(tokenIds),
      tokenTypes: bytesOf(tokenTypes ?? noTypes),
      startLoc: bytesOf(startLoc),
      output,
      ...part,
    }
    unwrap(await this.#loaded().embed(batch, bytesOf(out)))
  }

  async close(): Promise<void> {
    const runner = this.#runner
    this.#runner = undefined
    await runner?.close()
    await this.#keeping
  }

  #loaded(): Runner {
    if (this.#runner === undefined)
      throw new EngineClosedError('The model runner has no model: it is closed, or none was loaded.')
    return this.#runner
  }
}
