// What the loop calls to run a step. It brings a model up on its worker: load, measure, size the KV cache, warm up.

import type { CacheConfig, SchedulerConfig } from '../config/index.js'
import { InvalidArgumentError } from '../errors.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type { BatchLimits, ModelInfo, ModelOutput, Target } from '../plugin/model-runner.js'
import { chooseNumBlocks } from './cache-size.js'
import { type OpenedPlugin, Worker } from './worker.js'

/** The slices of the configuration that bringing up a model needs. */
export interface ExecutorOptions {
  readonly modelPath: string
  readonly dtype: Target['dtype']
  readonly threads: number | undefined
  readonly maxModelLen: number | undefined
  readonly cache: CacheConfig
  readonly scheduler: SchedulerConfig
}

/** Blocks and tokens of the KV cache. */
export interface CacheInfo {
  /** The null block included. */
  readonly numBlocks: number
  /** KV slots per block. */
  readonly blockSize: number
  /** Tokens that fit. */
  readonly numTokens: number
  /** Sequences of the model's full length that fit at once. */
  readonly maxConcurrency: number
  /** Bytes of all layers. */
  readonly bytes: number
}

/** Rows of logits in one step beside those that sample: what one chunk of prompt logprobs may ask for. */
const PROMPT_LOGPROB_ROWS = 64

export class Executor {
  readonly modelInfo: ModelInfo
  readonly cacheInfo: CacheInfo
  readonly limits: BatchLimits
  /** Where the runner wants logits; undefined = anywhere. */
  readonly logitsMemory: Float32Array | undefined
  readonly #worker: Worker

  private constructor(worker: Worker, modelInfo: ModelInfo, cacheInfo: CacheInfo, limits: BatchLimits) {
    this.#worker = worker
    this.modelInfo = modelInfo
    this.cacheInfo = cacheInfo
    this.limits = limits
    this.logitsMemory = worker.logitsMemory()
  }

  /** @throws ModelError, OutOfMemoryError, InvalidArgumentError for a block size or length that the model does not have. */
  static async create(
    opened: OpenedPlugin,
    options: ExecutorOptions,
    onProgress: (fraction: number) => void,
  ): Promise<Executor> {
    const { cache, scheduler } = options
    const worker = await Worker.create(opened, {
      device: opened.device,
      dtype: options.dtype,
      rank: 0,
      worldSize: 1,
      blockSize: cache.blockSize,
      ...(options.threads !== undefined && { threads: options.threads }),
    })
    try {
      checkBlockSize(worker, cache.blockSize)
      const modelInfo = await worker.loadModel(options.modelPath, onProgress)
      const maxModelLen = chooseMaxModelLen(options.maxModelLen, modelInfo)
      const limits = {
        maxNumSeqs: scheduler.maxNumSeqs,
        maxNumBatchedTokens: chooseStepTokens(scheduler, maxModelLen),
        maxModelLen,
        maxLogitsRows: scheduler.maxNumSeqs + PROMPT_LOGPROB_ROWS,
        blockSize: cache.blockSize,
      }
      const cacheInfo = await bringUpCache(worker, cache, limits)
      return new Executor(worker, modelInfo, cacheInfo, limits)
    } catch (error) {
      await worker.close()
      throw error
    }
  }

  /** Runs one step. Both arrays are the runner's until the promise settles. */
  execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    return this.#worker.execute(batch, logits)
  }

  close(): Promise<void> {
    return this.#worker.close()
  }
}

async function bringUpCache(worker: Worker, cache: CacheConfig, limits: BatchLimits): Promise<CacheInfo> {
  const spec = worker.kvCacheSpec()
  const { memory, profile } = await worker.measure(limits)
  const bytesPerBlock = spec.layers.reduce((sum, layer) => sum + layer.bytesPerBlock, 0)
  const numBlocks = chooseNumBlocks({
    memory,
    memoryUtilization: cache.memoryUtilization,
    activationBytes: profile.activationBytes,
    bytesPerBlock,
    blockSize: spec.blockSize,
    maxModelLen: limits.maxModelLen,
    maxNumSeqs: limits.maxNumSeqs,
    numBlocks: cache.numBlocks,
    kvCacheMemoryBytes: cache.kvCacheMemoryBytes,
  })
  await worker.initializeCache(numBlocks)
  const numTokens = (numBlocks - 1) * spec.blockSize
  return {
    numBlocks,
    blockSize: spec.blockSize,
    numTokens,
    maxConcurrency: numTokens / limits.maxModelLen,
    bytes: numBlocks * bytesPerBlock,
  }
}

function chooseMaxModelLen(asked: number | undefined, { maxPositionEmbeddings }: ModelInfo): number {
  if (asked !== undefined && asked > maxPositionEmbeddings) {
    throw new InvalidArgumentError(
      'maxModelLen',
      `The model has ${maxPositionEmbeddings} positions; maxModelLen cannot be more, got ${asked}.`,
      asked,
    )
  }
  return asked ?? maxPositionEmbeddings
}

/** Without chunked prefill, a step must hold the longest prompt. */
function chooseStepTokens({ enableChunkedPrefill, maxNumBatchedTokens }: SchedulerConfig, maxModelLen: number): number {
  if (!enableChunkedPrefill && maxNumBatchedTokens < maxModelLen) {
    throw new InvalidArgumentError(
      'maxNumBatchedTokens',
      `Without chunked prefill maxNumBatchedTokens must be at least maxModelLen=${maxModelLen}, got ${maxNumBatchedTokens}.`,
      maxNumBatchedTokens,
    )
  }
  return maxNumBatchedTokens
}

function checkBlockSize({ capabilities: { blockSizes } }: Worker, blockSize: number): void {
  if (blockSizes !== 'any' && !blockSizes.includes(blockSize)) {
    throw new InvalidArgumentError(
      'blockSize',
      `blockSize must be one of ${blockSizes.join(', ')} on this device, got ${blockSize}.`,
      blockSize,
    )
  }
}
