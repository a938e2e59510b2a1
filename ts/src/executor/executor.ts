// What the loop calls to run a step. It brings a model up on its workers: load, measure, size the KV cache, warm up.

import type { CacheConfig, SchedulerConfig } from '../config/index.js'
import { InvalidArgumentError, type WorkerError } from '../errors.js'
import type { Framework } from '../plugin/framework.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type { BatchLimits, EmbedBatch, ModelInfo, ModelOutput, Target } from '../plugin/model-runner.js'
import { chooseNumBlocks } from './cache-size.js'
import { type DraftOptions, DraftRunner } from './draft-runner.js'
import type { Worker } from './worker.js'
import { type OpenRank, Workers } from './workers.js'

/** The slices of the configuration that bringing up a model needs. */
export interface ExecutorOptions {
  readonly modelPath: string
  readonly dtype: Target['dtype']
  /** 'auto', 'none' or the name of a format; absent = 'auto'. */
  readonly quantization?: string
  /** Path of an importance matrix. */
  readonly imatrix?: string
  /** Path of a folder for packed weights. */
  readonly packedWeightsCache?: string
  readonly threads: number | undefined
  /** Run without compiling. */
  readonly eager: boolean
  /** The thread of the loop serves nothing else. */
  readonly ownThread: boolean
  /** Ranks, each with its share of the heads. */
  readonly worldSize: number
  /** Replace workers that are lost. */
  readonly restart: boolean
  readonly maxModelLen: number | undefined
  readonly cache: CacheConfig
  readonly scheduler: SchedulerConfig
  /** Where several ranks meet. */
  readonly freeRendezvous: () => Promise<string>
  /** A second model, for drafts; needs a world of one rank. */
  readonly draft?: DraftOptions
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
  /** Bytes of all layers on all ranks. */
  readonly bytes: number
}

/** Rows of logits in one step beside those that sample: what one chunk of prompt logprobs may ask for. */
const PROMPT_LOGPROB_ROWS = 64

interface BroughtUp {
  readonly workers: Workers
  readonly draft: DraftRunner | undefined
  readonly modelInfo: ModelInfo
  readonly cacheInfo: CacheInfo
  readonly limits: BatchLimits
}

/** Share of the progress that the weights have; what is compiled has the rest. */
const WEIGHTS_SHARE = 0.9

export class Executor {
  readonly modelInfo: ModelInfo
  readonly cacheInfo: CacheInfo
  readonly limits: BatchLimits
  /** True if lost workers may be replaced. */
  readonly restarts: boolean
  /** True if a step may keep this thread for as long as it takes. */
  readonly holdsThread: boolean
  readonly #open: OpenRank
  readonly #options: ExecutorOptions
  #workers: Workers
  #draft: DraftRunner | undefined
  #logitsMemory: Float32Array | undefined
  #closed = false

  private constructor(open: OpenRank, options: ExecutorOptions, broughtUp: BroughtUp) {
    const { workers, draft, modelInfo, cacheInfo, limits } = broughtUp
    this.#open = open
    this.#options = options
    this.#workers = workers
    this.#draft = draft
    this.#logitsMemory = workers.first.logitsMemory()
    this.modelInfo = modelInfo
    this.cacheInfo = cacheInfo
    this.limits = limits
    this.restarts = options.restart
    this.holdsThread = options.ownThread
  }

  /** @throws ModelError, OutOfMemoryError, InvalidArgumentError for a block size or length that the model does not have. */
  static async create(
    open: OpenRank,
    options: ExecutorOptions,
    onProgress: (fraction: number) => void,
  ): Promise<Executor> {
    return new Executor(open, options, await bringUp(open, options, onProgress))
  }

  /** The adapter of rank 0. */
  get framework(): Framework {
    return this.#workers.first.framework
  }

  /** The model that drafts, if one was asked for. It changes with a restart. */
  get draft(): DraftRunner | undefined {
    return this.#draft
  }

  /** Where the runner wants logits; undefined = anywhere. It changes with a restart. */
  get logitsMemory(): Float32Array | undefined {
    return this.#logitsMemory
  }

  /** Set after a worker was lost: steps are impossible until a restart. */
  get lost(): WorkerError | undefined {
    return this.#workers.lost
  }

  /**
   * Runs one step. Both arrays are the runner's until the promise settles.
   * @throws WorkerError if the worker is lost, else what the runner throws.
   */
  execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    return this.#workers.execute(batch, logits)
  }

  /** Whether sequences can be embedded. */
  get embeds(): boolean {
    return this.#workers.embeds
  }

  /** Makes vectors or scores of sequences; never while a step runs. Both arrays are the runner's until the promise settles. */
  embed(batch: EmbedBatch, out: Float32Array): Promise<void> {
    return this.#workers.embed(batch, out)
  }

  /** New workers with an empty cache of the same size, in place of lost ones. @throws as `create` does. */
  async restart(): Promise<void> {
    await closeAll(this.#workers, this.#draft)
    const { cacheInfo } = this
    const options = { ...this.#options, cache: { ...this.#options.cache, numBlocks: cacheInfo.numBlocks } }
    const { workers, draft } = await bringUp(this.#open, options, () => {})
    this.#workers = workers
    this.#draft = draft
    this.#logitsMemory = workers.first.logitsMemory()
    if (this.#closed) await closeAll(workers, draft)
  }

  close(): Promise<void> {
    this.#closed = true
    return closeAll(this.#workers, this.#draft)
  }
}

async function closeAll(workers: Workers, draft: DraftRunner | undefined): Promise<void> {
  try {
    await draft?.close()
  } finally {
    await workers.close()
  }
}

async function bringUp(
  open: OpenRank,
  options: ExecutorOptions,
  onProgress: (fraction: number) => void,
): Promise<BroughtUp> {
  const { cache, scheduler, dtype, quantization = 'auto', imatrix, packedWeightsCache, threads } = options
  const { eager, ownThread, worldSize } = options
  const target = {
    dtype,
    blockSize: cache.blockSize,
    eager,
    ownThread,
    ...(quantization !== 'auto' && { quantization }),
    ...(imatrix !== undefined && { imatrix }),
    ...(packedWeightsCache !== undefined && { packedWeightsCache }),
    ...(cache.dtype !== 'auto' && { kvCacheDtype: cache.dtype }),
    ...(threads !== undefined && { threads }),
  }
  const workers = await Workers.open(open, worldSize, target, options.freeRendezvous)
  let draft: DraftRunner | undefined
  try {
    checkBlockSize(workers.first, cache.blockSize)
    checkQuantization(workers.first, quantization)
    checkImatrix(workers.first, imatrix)
    checkPackedWeightsCache(workers.first, packedWeightsCache)
    checkKvCacheDtype(workers.first, cache.dtype)
    const loaded = await workers.all((worker, rank) =>
      worker.loadModel(options.modelPath, rank === 0 ? share => onProgress(share * WEIGHTS_SHARE) : () => {}),
    )
    const modelInfo = loaded[0] as ModelInfo
    const maxModelLen = chooseMaxModelLen(options.maxModelLen, modelInfo)
    const limits = {
      maxNumSeqs: scheduler.maxNumSeqs,
      maxNumBatchedTokens: chooseStepTokens(scheduler, maxModelLen),
      maxModelLen,
      maxLogitsRows: scheduler.maxNumSeqs + PROMPT_LOGPROB_ROWS,
      blockSize: cache.blockSize,
    }
    if (options.draft !== undefined) {
      const { quantization: _, imatrix: __, ...shared } = target
      const { quantization: kept } = options.draft
      checkQuantization(workers.first, kept)
      const own = { ...shared, ...(kept !== 'auto' && { quantization: kept }) }
      draft = await DraftRunner.load(open, options.draft, own, { modelInfo, limits })
    }
    const companion = draft && { bytesPerBlock: draft.bytesPerBlock, activationBytes: await draft.activationBytes() }
    const lookaheadTokens = options.draft?.numTokens ?? 0
    const numBlocks =
      modelInfo.generates === false ? 0 : await agreeOnBlocks(workers, { cache, limits, companion, lookaheadTokens })
    const onWarmup = (share: number) => onProgress(WEIGHTS_SHARE + share * (1 - WEIGHTS_SHARE))
    await workers.all((worker, rank) => worker.initializeCache(numBlocks, rank === 0 ? onWarmup : () => {}))
    await draft?.initializeCache(numBlocks)
    onProgress(1)
    return { workers, draft, modelInfo, limits, cacheInfo: cacheInfoOf(workers, numBlocks, maxModelLen) }
  } catch (error) {
    await closeAll(workers, draft).catch(() => {})
    throw error
  }
}

interface BlockDemand {
  readonly cache: CacheConfig
  readonly limits: BatchLimits
  /** What the model that drafts takes of the same memory. */
  readonly companion: { readonly bytesPerBlock: number; readonly activationBytes: number } | undefined
  readonly lookaheadTokens: number
}

/** KV blocks that every rank has room for. */
async function agreeOnBlocks(workers: Workers, demand: BlockDemand): Promise<number> {
  const { cache, limits, companion, lookaheadTokens } = demand
  const chosen = await workers.all(async worker => {
    const { memory, profile } = await worker.measure(limits)
    return chooseNumBlocks({
      memory,
      memoryUtilization: cache.memoryUtilization,
      activationBytes: profile.activationBytes + (companion?.activationBytes ?? 0),
      bytesPerBlock: bytesPerBlockOf(worker) + (companion?.bytesPerBlock ?? 0),
      blockSize: cache.blockSize,
      maxModelLen: limits.maxModelLen,
      lookaheadTokens,
      maxNumSeqs: limits.maxNumSeqs,
      numBlocks: cache.numBlocks,
      kvCacheMemoryBytes: cache.kvCacheMemoryBytes,
    })
  })
  if (chosen.length === 1) return chosen[0] as number
  const agreed = await workers.all((worker, rank) => worker.agreeOnMinimum(chosen[rank] as number))
  return agreed[0] as number
}

function cacheInfoOf(workers: Workers, numBlocks: number, maxModelLen: number): CacheInfo {
  const { blockSize } = workers.first.kvCacheSpec()
  // A model that does not generate has no cache.
  const numTokens = Math.max(0, numBlocks - 1) * blockSize
  const bytesPerBlock = workers.ranks.reduce((sum, worker) => sum + bytesPerBlockOf(worker), 0)
  return { numBlocks, blockSize, numTokens, maxConcurrency: numTokens / maxModelLen, bytes: numBlocks * bytesPerBlock }
}

function bytesPerBlockOf(worker: Worker): number {
  return worker.kvCacheSpec().layers.reduce((sum, layer) => sum + layer.bytesPerBlock, 0)
}

function chooseMaxModelLen(asked: number | undefined, modelInfo: ModelInfo): number {
  const { maxPositionEmbeddings, generates = true, pooling } = modelInfo
  if (asked !== undefined && asked > maxPositionEmbeddings) {
    throw new InvalidArgumentError(
      'maxModelLen',
      `The model has ${maxPositionEmbeddings} positions; maxModelLen cannot be more, got ${asked}.`,
      asked,
    )
  }
  return asked ?? (generates ? maxPositionEmbeddings : (pooling?.maxTokens ?? maxPositionEmbeddings))
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

function checkQuantization({ capabilities: { quantizations } }: Worker, quantization: string): void {
  const choices = ['auto', 'none', ...quantizations]
  if (!choices.includes(quantization)) {
    throw new InvalidArgumentError(
      'quantization',
      `quantization must be one of ${choices.join(', ')} on this framework, got ${quantization}.`,
      quantization,
    )
  }
}

function checkImatrix({ capabilities }: Worker, imatrix: string | undefined): void {
  if (imatrix === undefined || capabilities.imatrix === true) return
  throw new InvalidArgumentError(
    'imatrix',
    'There is no quantising by an importance matrix on this framework.',
    imatrix,
  )
}

function checkPackedWeightsCache({ capabilities }: Worker, folder: string | undefined): void {
  if (folder === undefined || capabilities.packedWeightsCache === true) return
  throw new InvalidArgumentError('packedWeightsCache', 'This framework keeps no packed weights.', folder)
}

function checkKvCacheDtype({ capabilities: { kvCacheDtypes = [] } }: Worker, dtype: string): void {
  const choices = ['auto', ...kvCacheDtypes]
  if (!choices.includes(dtype)) {
    throw new InvalidArgumentError(
      'kvCacheDtype',
      `kvCacheDtype must be ${choices.length === 1 ? 'auto' : `one of ${choices.join(', ')}`} on this framework, got ${dtype}.`,
      dtype,
    )
  }
}
