// A framework plugin without a model: its runner keeps the ids of every KV slot and draws the next id from all ids that it
// reads back through the block tables. So a wrong table, a stale block or a lost token changes what it says.

import { bundledModelDirectory } from '../../ts/src/config/bundled-model.js'
import { type EngineOptions, type SamplingOptions, SamplingParams } from '../../ts/src/config/index.js'
import { parseEngineOptions } from '../../ts/src/config/node.js'
import type { EngineRequest } from '../../ts/src/engine/index.js'
import { Engine } from '../../ts/src/engine/node-engine.js'
import type {
  BatchLimits,
  Device,
  Framework,
  InputBatch,
  KvCacheSpec,
  ModelInfo,
  ModelOutput,
  ModelRunner,
  RunnerCapabilities,
  Tensor,
  TensorOptions,
} from '../../ts/src/plugin/index.js'
import { contiguousStrides, narrowWindow, viewWindow } from '../../ts/src/plugin/index.js'

export interface FakeOptions {
  /** Logits per row. Default 64; as many as the tokenizer has where text is wanted. */
  readonly vocabSize?: number
  readonly maxModelLen?: number
  /** Let the runner draw where it may. Default false: the host draws everything. */
  readonly deviceSampling?: boolean
  /** End-of-sequence ids. Default none. */
  readonly eosTokenIds?: readonly number[]
  /** Called before a worker is opened, with the number of those before it: wait, or throw. */
  readonly onOpen?: (numBefore: number) => void | Promise<void>
  /** Called before a step is computed: wait, or throw. */
  readonly onStep?: (batch: InputBatch) => void | Promise<void>
  /** Replaces the logits of a row, `[vocabSize]`, of a sequence, which has these ids so far. */
  readonly onLogits?: (row: Float32Array, sequenceId: number, ids: readonly number[]) => void
  /** Memory of the runner's own for logits. */
  readonly logitsMemory?: Float32Array
  /** Free memory that the framework tells. */
  readonly freeBytes?: number
}

export const cpu: Device = { kind: 'cpu', index: 0 }

/** The id after `ids`: any change of any of them changes it. */
export function nextId(ids: ArrayLike<number>, vocabSize: number): number {
  let hash = 17
  for (let index = 0; index < ids.length; index += 1) hash = (hash * 31 + (ids[index] as number) + 1) % 65_521
  return hash % vocabSize
}

/** What greedy sampling must say after `prompt`. */
export function expectedIds(prompt: readonly number[], count: number, vocabSize = 64): number[] {
  const ids = [...prompt]
  while (ids.length < prompt.length + count) ids.push(nextId(ids, vocabSize))
  return ids.slice(prompt.length)
}

/** The engine's sequences of the batches that it has run. */
export class FakeRunner implements ModelRunner {
  readonly capabilities: RunnerCapabilities = {
    devices: ['cpu'],
    dtypes: ['float32'],
    architectures: ['FakeForCausalLM'],
    quantizations: [],
    blockSizes: 'any',
    deviceSampling: true,
  }
  /** Sequence ids of each step. */
  readonly steps: number[][] = []
  closed = false
  readonly logitsMemory?: () => Float32Array
  readonly #options: FakeOptions
  readonly #blockSize: number
  readonly #slots = new Map<number, number>()

  constructor(options: FakeOptions, blockSize: number) {
    this.#options = options
    this.#blockSize = blockSize
    const { logitsMemory } = options
    if (logitsMemory !== undefined) this.logitsMemory = () => logitsMemory
  }

  get vocabSize(): number {
    return this.#options.vocabSize ?? 64
  }

  async loadModel(_source: unknown, onProgress: (fraction: number) => void): Promise<ModelInfo> {
    onProgress(1)
    return {
      architecture: 'FakeForCausalLM',
      modelType: 'fake',
      vocabSize: this.vocabSize,
      maxPositionEmbeddings: this.#options.maxModelLen ?? 256,
      hiddenSize: 1,
      numLayers: 1,
      numHeads: 1,
      numKvHeads: 1,
      headDim: 1,
      dtype: 'float32',
      weightsBytes: 0,
      numParameters: 0,
      eosTokenIds: this.#options.eosTokenIds ?? [],
      slidingWindow: null,
      generationDefaults: {},
    }
  }

  kvCacheSpec(): KvCacheSpec {
    const blockSize = this.#blockSize
    const shape = (numBlocks: number) => [2, numBlocks, 1, blockSize, 1]
    return { blockSize, layers: [{ dtype: 'float32', bytesPerBlock: 8 * blockSize, alignment: 0, shape }] }
  }

  async profile(_limits: BatchLimits) {
    return { weightsBytes: 0, activationBytes: 0 }
  }

  async bindKvCache(_layers: readonly Tensor[]): Promise<void> {}
  async warmup(): Promise<void> {}

  async close(): Promise<void> {
    this.closed = true
  }

  async execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    this.steps.push(Array.from(batch.sequenceIds))
    await this.#options.onStep?.(batch)
    for (const [token, slot] of batch.slotMapping.entries()) this.#slots.set(slot, batch.inputIds[token] as number)
    const drawn = Array.from(batch.logitsIndices, (_, index) => this.#draw(batch, index))
    if (this.#options.deviceSampling && !batch.hostSampling && batch.temperature === undefined) {
      const counts = batch.sampleIndex.map(index => (index < 0 ? 0 : 1))
      const tokenIds = Int32Array.from(
        batch.sampleIndex.filter(index => index >= 0),
        index => drawn[index] as number,
      )
      return { kind: 'tokens', counts, tokenIds }
    }
    for (const [index, id] of drawn.entries()) {
      const row = logits.subarray(index * this.vocabSize, (index + 1) * this.vocabSize)
      for (let other = 0; other < row.length; other += 1) row[other] = ((other * 7) % 13) / 13
      row[id] = 4
      const sequenceId = batch.sequenceIds[batch.logitsRows[index] as number] as number
      this.#options.onLogits?.(row, sequenceId, this.#idsOf(batch, index))
    }
    return { kind: 'logits' }
  }

  #draw(batch: InputBatch, index: number): number {
    return nextId(this.#idsOf(batch, index), this.vocabSize)
  }

  /** The ids up to the place of a row of logits, read back through the block table. */
  #idsOf(batch: InputBatch, index: number): number[] {
    const row = batch.logitsRows[index] as number
    const numIds = (batch.positions[batch.logitsIndices[index] as number] as number) + 1
    const table = batch.blockTables.subarray(row * batch.blockTableStride, (row + 1) * batch.blockTableStride)
    return Array.from({ length: numIds }, (_, position) => {
      const block = table[Math.floor(position / batch.blockSize)] as number
      return this.#slots.get(block * batch.blockSize + (position % batch.blockSize)) ?? -1
    })
  }
}

/** A framework whose tensors have shapes and no elements. */
export function fakeFramework(freeBytes = 1 << 20, calls: string[] = []): Framework {
  const make =
    (call: string) =>
    (shape: readonly number[], { dtype, device, pinMemory }: TensorOptions): Tensor => {
      calls.push(`${call}(${shape.join(',')}; ${dtype}${pinMemory ? ' pinned' : ''})`)
      return { shape, strides: contiguousStrides(shape), offset: 0, dtype, device }
    }
  const known: Partial<Framework> = {
    name: 'fake',
    zeros: make('zeros'),
    empty: make('empty'),
    narrow: (tensor, dim, start, length) => {
      calls.push(`narrow(${dim}, ${start}, ${length})`)
      return { ...tensor, ...narrowWindow(tensor, dim, start, length) }
    },
    view: (tensor, shape) => {
      calls.push(`view(${shape.join(',')})`)
      return { ...tensor, ...viewWindow(tensor, shape) }
    },
    setDevice: () => {},
    emptyCache: async () => {},
    synchronize: async () => {},
    isPinMemoryAvailable: () => false,
    memoryInfo: async () => ({ freeBytes, totalBytes: 1 << 30 }),
  }
  return known as Framework
}

export interface FakeEngine {
  readonly engine: Engine
  readonly runner: FakeRunner
  /** Those of all workers, the first and what replaced it. */
  readonly runners: readonly FakeRunner[]
  /** A request with a fresh id; greedy unless `options` say else. */
  request(promptTokenIds: ArrayLike<number>, options?: SamplingOptions, more?: Partial<EngineRequest>): EngineRequest
}

/** An engine on a fake runner. With `loadTokenizer: true` it has the bundled model's tokenizer. */
export async function createFakeEngine(fake: FakeOptions = {}, options: EngineOptions = {}): Promise<FakeEngine> {
  const config = parseEngineOptions(
    { model: bundledModelDirectory(), loadTokenizer: false, blockSize: 4, seed: 1, ...options },
    process.cwd(),
  )
  const runners: FakeRunner[] = []
  const engine = await Engine.inline(config, async () => {
    await fake.onOpen?.(runners.length)
    const runner = new FakeRunner(fake, config.cache.blockSize)
    runners.push(runner)
    return {
      device: cpu,
      framework: fakeFramework(fake.freeBytes),
      createRunner: async () => runner,
      close: async () => {},
    }
  })
  let requests = 0
  return {
    engine,
    runner: runners[0] as FakeRunner,
    runners,
    request: (promptTokenIds, sampling = {}, more = {}) => {
      requests += 1
      const params = new SamplingParams({ temperature: 0, maxTokens: 8, ...sampling })
      return { requestId: `request-${requests}`, promptTokenIds, params, ...more }
    },
  }
}
