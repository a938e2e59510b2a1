// The model that drafts, on a worker of its own: it has the target's blocks, and a KV cache of its own behind them.

import { InvalidArgumentError } from '../errors.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type { BatchLimits, ModelInfo, ModelOutput, Target } from '../plugin/model-runner.js'
import { Worker } from './worker.js'
import type { OpenRank } from './workers.js'

/** Which model drafts. */
export interface DraftOptions {
  readonly modelPath: string
  readonly quantization: string
  /** Drafts of one sequence in a step, at most. */
  readonly numTokens: number
}

/** Models of one tokenizer are padded to different sizes of vocabulary; by no more than this. */
const MOST_PADDING = 256

const PARAMETER = 'speculativeConfig.model'

export class DraftRunner {
  readonly modelInfo: ModelInfo
  /** What it is sent at most. */
  readonly limits: BatchLimits
  readonly #worker: Worker
  #logitsMemory: Float32Array | undefined

  private constructor(worker: Worker, modelInfo: ModelInfo, limits: BatchLimits) {
    this.#worker = worker
    this.modelInfo = modelInfo
    this.limits = limits
  }

  /** @throws InvalidArgumentError for a model that cannot draft for `target`; ModelError, OutOfMemoryError. */
  static async load(
    open: OpenRank,
    { modelPath }: DraftOptions,
    shared: Omit<Target, 'device' | 'rank' | 'worldSize'>,
    target: { readonly modelInfo: ModelInfo; readonly limits: BatchLimits },
  ): Promise<DraftRunner> {
    const opened = await open(undefined)
    const worker = await Worker.create(opened, { ...shared, device: opened.device, rank: 0, worldSize: 1 }, undefined)
    try {
      const modelInfo = await worker.loadModel(modelPath, () => {})
      checkPair(modelInfo, target.modelInfo)
      const maxModelLen = Math.min(target.limits.maxModelLen, modelInfo.maxPositionEmbeddings)
      return new DraftRunner(worker, modelInfo, { ...target.limits, maxModelLen })
    } catch (error) {
      await worker.close().catch(() => {})
      throw error
    }
  }

  /** Bytes of all its layers of one block. */
  get bytesPerBlock(): number {
    return this.#worker.kvCacheSpec().layers.reduce((sum, layer) => sum + layer.bytesPerBlock, 0)
  }

  /** Bytes that a batch takes beside weights and cache. */
  async activationBytes(): Promise<number> {
    return (await this.#worker.measure(this.limits)).profile.activationBytes
  }

  /** @throws OutOfMemoryError. */
  async initializeCache(numBlocks: number): Promise<void> {
    await this.#worker.initializeCache(numBlocks, () => {})
    this.#logitsMemory = this.#worker.logitsMemory()
  }

  /** Where the runner wants logits; undefined = anywhere. */
  get logitsMemory(): Float32Array | undefined {
    return this.#logitsMemory
  }

  /** Both arrays are the runner's until the promise settles. @throws WorkerError, what the runner throws. */
  execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    return this.#worker.execute(batch, logits)
  }

  close(): Promise<void> {
    return this.#worker.close()
  }
}

function checkPair(draft: ModelInfo, target: ModelInfo): void {
  const refuse = (why: string): never => {
    throw new InvalidArgumentError(PARAMETER, `This model cannot draft for the other one: ${why}.`, draft.architecture)
  }
  if (draft.generates === false) refuse(`${draft.architecture} does not generate`)
  if (target.slidingWindow !== null) {
    refuse(
      `every layer of ${target.architecture} has a sliding window, and blocks that have left it are not there for a draft`,
    )
  }
  if (Math.abs(draft.vocabSize - target.vocabSize) > MOST_PADDING) {
    refuse(`it has ${draft.vocabSize} token ids and the other one ${target.vocabSize}, so their tokenizers differ`)
  }
}
