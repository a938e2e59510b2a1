// A runner without a model that embeds: the vector of a sequence is made of all its ids and types, so that a lost, swapped or
// foreign token changes it. It fails if two of its calls overlap.

import { bundledModelDirectory } from '../../ts/src/config/bundled-model.js'
import type { EngineOptions } from '../../ts/src/config/index.js'
import { parseEngineOptions } from '../../ts/src/config/node.js'
import { Engine } from '../../ts/src/engine/node-engine.js'
import type { EmbedBatch, InputBatch, ModelInfo, PoolingInfo } from '../../ts/src/plugin/index.js'
import { cpu, FakeRunner, fakeFramework } from '../engine/fake-plugin.js'

const WIDTH = 3

export interface EmbeddingOptions {
  readonly pooling?: Partial<PoolingInfo>
  /** Called in a call of `embed`: wait, or throw. */
  readonly onEmbed?: (batch: EmbedBatch) => void | Promise<void>
  readonly onStep?: (batch: InputBatch) => void | Promise<void>
}

/** What the runner makes of a sequence. */
export function expectedVector(ids: ArrayLike<number>): number[] {
  let [sum, hash] = [0, 7]
  for (const id of Array.from(ids)) {
    sum += id
    hash = (hash * 31 + id) % 9973
  }
  return [ids.length, sum, hash]
}

export class EmbeddingRunner extends FakeRunner {
  readonly calls: EmbedBatch[] = []
  /** `step` and `embed` in the order in which they began. */
  readonly order: ('step' | 'embed')[] = []
  readonly #embedding: EmbeddingOptions
  #parts: number[] = []
  #busy = false

  constructor(options: EmbeddingOptions, blockSize: number) {
    super({ maxModelLen: 4096, vocabSize: 2048 }, blockSize)
    this.#embedding = options
  }

  override async loadModel(source: unknown, onProgress: (fraction: number) => void): Promise<ModelInfo> {
    const pooling: PoolingInfo = {
      kind: 'last',
      normalizes: false,
      embeddingSize: WIDTH,
      maxTokens: 4096,
      lowercases: false,
      scores: false,
      takesParts: true,
      dimensions: [],
      ...this.#embedding.pooling,
    }
    return { ...(await super.loadModel(source, onProgress)), pooling }
  }

  override async execute(batch: InputBatch, logits: Float32Array) {
    return this.#alone('step', async () => {
      await this.#embedding.onStep?.(batch)
      return super.execute(batch, logits)
    })
  }

  async embed(batch: EmbedBatch, out: Float32Array): Promise<void> {
    this.calls.push(batch)
    await this.#alone('embed', async () => {
      await this.#embedding.onEmbed?.(batch)
      const { tokenIds, startLoc, part } = batch
      if (part !== undefined) {
        if (part.numComputed === 0) this.#parts = []
        if (this.#parts.length !== part.numComputed) throw new Error('a part is out of order')
        this.#parts.push(...tokenIds)
        if (this.#parts.length === part.numTokens) out.set(expectedVector(this.#parts))
        return
      }
      for (let row = 0; row + 1 < startLoc.length; row += 1)
        out.set(expectedVector(tokenIds.slice(startLoc[row], startLoc[row + 1])), row * WIDTH)
    })
  }

  async #alone<T>(kind: 'step' | 'embed', call: () => Promise<T>): Promise<T> {
    if (this.#busy) throw new Error(`a call of ${kind} while another runs`)
    this.#busy = true
    this.order.push(kind)
    try {
      return await call()
    } finally {
      this.#busy = false
    }
  }
}

export async function createEmbeddingEngine(embedding: EmbeddingOptions = {}, options: EngineOptions = {}) {
  const config = parseEngineOptions(
    { model: bundledModelDirectory(), loadTokenizer: false, numBlocks: 2000, seed: 1, ...options },
    process.cwd(),
  )
  const runner = new EmbeddingRunner(embedding, config.cache.blockSize)
  const engine = await Engine.inline(config, async () => ({
    device: cpu,
    framework: fakeFramework(),
    createRunner: async () => runner,
    close: async () => {},
  }))
  return { engine, runner }
}
