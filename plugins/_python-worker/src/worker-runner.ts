// The model runner over a worker. A step's words and its logits lie in memory that both processes map: one round trip tells
// the worker to go, and its answer that it is done.

import {
  type BatchLimits,
  type DTypeName,
  EngineClosedError,
  type InputBatch,
  InternalError,
  type KvCacheSpec,
  layout,
  type MemoryProfile,
  type ModelInfo,
  type ModelOutput,
  type ModelRunner,
  type ModelSource,
  NotSupportedError,
  type OpenOptions,
  type RunnerCapabilities,
  type Target,
  type Tensor,
  WorkerError,
} from 'quire-llm/plugin'
import { field, type Reply } from './connection.js'
import type { Message } from './frame.js'
import type { WorkerProcess } from './worker-process.js'
import { workerTensor } from './worker-tensor.js'

export interface WorkerRunnerOptions {
  readonly framework: string
  readonly capabilities: RunnerCapabilities
  readonly target: Target
  readonly shareMemory: OpenOptions['shareMemory']
}

/** The KV cache of one layer, as the worker describes it: -1 stands for the number of blocks. */
interface LayerReply {
  readonly dtype: DTypeName
  readonly shape: readonly number[]
  readonly bytesPerBlock: number
  readonly alignment: number
}

interface StepMemory {
  readonly words: Int32Array
  readonly logits: Float32Array
}

/** Sections of a batch begin at multiples of this, and there are at most so many. */
const SECTION_ALIGNMENT_WORDS = 16
const MAX_SECTIONS = 18
/** Where logits begin: a multiple of a page. */
const LOGITS_ALIGNMENT_BYTES = 4096

export class WorkerRunner implements ModelRunner {
  readonly capabilities: RunnerCapabilities
  readonly #worker: WorkerProcess
  readonly #options: WorkerRunnerOptions
  #layers: readonly LayerReply[] | undefined
  #vocabSize = 0
  #memory: StepMemory | undefined

  private constructor(worker: WorkerProcess, options: WorkerRunnerOptions) {
    this.#worker = worker
    this.#options = options
    this.capabilities = options.capabilities
  }

  /** Makes a runner in the worker. @throws what the worker refuses the target with. */
  static async create(worker: WorkerProcess, options: WorkerRunnerOptions): Promise<WorkerRunner> {
    const { device, dtype, blockSize, threads = null, eager = false } = options.target
    const { kind, index } = device
    const target = { device: { kind, index }, dtype, blockSize, threads, eager }
    return worker.connection.call('createRunner', target, () => new WorkerRunner(worker, options))
  }

  async loadModel({ path }: ModelSource, onProgress: (fraction: number) => void): Promise<ModelInfo> {
    const { model, layers } = await this.#worker.connection.call('loadModel', { path }, loadedModel, onProgress)
    this.#layers = layers
    this.#vocabSize = model.vocabSize
    return model
  }

  kvCacheSpec(): KvCacheSpec {
    if (this.#layers === undefined) throw new EngineClosedError('The model runner has no model.')
    const layers = this.#layers.map(({ dtype, shape, bytesPerBlock, alignment }) => ({
      dtype,
      bytesPerBlock,
      alignment,
      shape: (numBlocks: number) => shape.map(size => (size === -1 ? numBlocks : size)),
    }))
    return { blockSize: this.#options.target.blockSize, layers }
  }

  /** Measures, and maps the memory that steps will lie in. @throws OutOfMemoryError if there is no room to share. */
  async profile(limits: BatchLimits): Promise<MemoryProfile> {
    const { maxNumSeqs, maxNumBatchedTokens, maxModelLen, maxLogitsRows, blockSize } = limits
    const params = { maxNumSeqs, maxNumBatchedTokens, maxModelLen, maxLogitsRows, blockSize }
    const profile = await this.#worker.connection.call('profile', params, reply => ({
      weightsBytes: field(reply, 'weightsBytes', 'number'),
      activationBytes: field(reply, 'activationBytes', 'number'),
    }))
    this.#memory = await this.#mapStepMemory(limits)
    return profile
  }

  async bindKvCache(layers: readonly Tensor[]): Promise<void> {
    const references = layers.map(layer => workerTensor(layer, this.#options.framework).reference)
    await this.#worker.connection.call('bindKvCache', { layers: references }, () => {})
  }

  warmup(onProgress: (fraction: number) => void): Promise<void> {
    return this.#worker.connection.call('warmup', {}, () => {}, onProgress)
  }

  logitsMemory(): Float32Array {
    return this.#mapped().logits
  }

  /** Copies what does not lie in shared memory. Only rank 0 gives logits. */
  execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    const { words, logits: ours } = this.#mapped()
    const { stepId } = batch
    const numLogits = ours.length === 0 ? 0 : batch.numLogits * this.#vocabSize
    if (batch.words.length > words.length || numLogits > ours.length) {
      throw new InternalError(
        `A step of ${batch.words.length} words and ${batch.numLogits} rows of logits is larger than the limits that it was profiled with`,
      )
    }
    if (batch.words.buffer !== words.buffer) words.set(batch.words)
    return this.#worker.connection.call('execute', { step: stepId }, reply => {
      if (reply.step !== stepId) throw this.#worker.condemn(`answered step ${String(reply.step)} instead of ${stepId}`)
      if (reply.kind === 'tokens') return sampledTokens(reply)
      if (logits.buffer !== ours.buffer) logits.set(ours.subarray(0, numLogits))
      return logitsOutput
    })
  }

  /** What a lost worker held is gone already. */
  async close(): Promise<void> {
    if (this.#layers === undefined && this.#memory === undefined) return
    this.#layers = undefined
    this.#memory = undefined
    try {
      await this.#worker.connection.call('closeRunner', {}, () => {})
    } catch (error) {
      if (!(error instanceof WorkerError || error instanceof EngineClosedError)) throw error
    }
  }

  #mapped(): StepMemory {
    if (this.#memory === undefined) throw new EngineClosedError('The model runner is closed, or was not profiled.')
    return this.#memory
  }

  async #mapStepMemory(limits: BatchLimits): Promise<StepMemory> {
    const { framework, shareMemory, target } = this.#options
    if (shareMemory === undefined) {
      throw new NotSupportedError(
        `The framework ${framework} runs in a process of its own and needs OpenOptions.shareMemory.`,
      )
    }
    const wordsBytes = roundUp(maxWords(limits) * 4, LOGITS_ALIGNMENT_BYTES)
    const logitsRows = target.rank === 0 ? limits.maxLogitsRows : 0
    const vocabSize = this.#vocabSize
    const memory = shareMemory(wordsBytes + logitsRows * vocabSize * 4)
    try {
      const params: Message = { path: memory.path, wordsBytes, logitsRows, vocabSize }
      await this.#worker.connection.call('mapStepMemory', params, () => {})
    } finally {
      await memory.unlink()
    }
    return {
      words: new Int32Array(memory.bytes, 0, wordsBytes / 4),
      logits: new Float32Array(memory.bytes, wordsBytes, logitsRows * vocabSize),
    }
  }
}

const logitsOutput: ModelOutput = Object.freeze({ kind: 'logits' })

function sampledTokens({ counts, tokenIds }: Reply): ModelOutput {
  return { kind: 'tokens', counts: integers(counts), tokenIds: integers(tokenIds) }
}

function integers(bytes: unknown): Int32Array {
  if (!(bytes instanceof Uint8Array) || bytes.length % 4 !== 0)
    throw new WorkerError('The worker answered without token ids.')
  return new Int32Array(bytes.slice().buffer)
}

function loadedModel({ model, layers }: Reply): { model: ModelInfo; layers: readonly LayerReply[] } {
  if (typeof model !== 'object' || model === null || !Array.isArray(layers)) {
    throw new WorkerError('The worker loaded a model without saying which.')
  }
  return { model: model as ModelInfo, layers: layers as LayerReply[] }
}

/** Words of the largest batch within the limits. */
function maxWords({ maxNumSeqs, maxNumBatchedTokens, maxModelLen, maxLogitsRows, blockSize }: BatchLimits): number {
  const perToken = 3 // id, position, slot
  const perRow = 12 // start, lengths, ids, sampling columns, seeds
  const perLogitsRow = 2 // index, row
  const blocks = Math.ceil(maxModelLen / blockSize) + SECTION_ALIGNMENT_WORDS
  const sections = layout.headerWords + MAX_SECTIONS * SECTION_ALIGNMENT_WORDS
  return sections + maxNumBatchedTokens * perToken + (maxNumSeqs + 1) * (perRow + blocks) + maxLogitsRows * perLogitsRow
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
