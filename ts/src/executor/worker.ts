// One rank: it holds one runner and its framework, in this process or before another. It loads, measures, allocates and
// executes; it schedules nothing.

import { NotSupportedError } from '../errors.js'
import type { Device, MemoryInfo } from '../plugin/device.js'
import type { Framework, Tensor } from '../plugin/framework.js'
import type { OpenedFramework, RankGroup } from '../plugin/framework-plugin.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type {
  BatchLimits,
  EmbedBatch,
  KvCacheSpec,
  MemoryProfile,
  ModelInfo,
  ModelOutput,
  ModelRunner,
  RunnerCapabilities,
  Target,
} from '../plugin/model-runner.js'
import { allocateKvCache } from './kv-cache.js'

/** An opened framework, and the device that was chosen for it. */
export interface OpenedPlugin extends OpenedFramework {
  readonly device: Device
}

/** Ranks that load large weights come late to their first collective. */
const GROUP_TIMEOUT_MS = 30 * 60 * 1000

export class Worker {
  readonly #opened: OpenedPlugin
  readonly #framework: Framework
  readonly #runner: ModelRunner
  readonly #device: Device
  #cache: readonly Tensor[] = []

  private constructor(opened: OpenedPlugin, runner: ModelRunner, device: Device) {
    this.#opened = opened
    this.#framework = opened.framework
    this.#runner = runner
    this.#device = device
  }

  /** The worker owns `opened` from here on, also if this fails. */
  static async create(opened: OpenedPlugin, target: Target, group: RankGroup | undefined): Promise<Worker> {
    try {
      opened.framework.setDevice(target.device)
      if (group !== undefined) await opened.framework.initProcessGroup({ ...group, timeoutMs: GROUP_TIMEOUT_MS })
      return new Worker(opened, await opened.createRunner(target), target.device)
    } catch (error) {
      await opened.close()
      throw error
    }
  }

  get framework(): Framework {
    return this.#framework
  }

  get capabilities(): RunnerCapabilities {
    return this.#runner.capabilities
  }

  /** @throws ModelError, OutOfMemoryError. */
  loadModel(path: string, onProgress: (fraction: number) => void): Promise<ModelInfo> {
    return this.#runner.loadModel({ path }, onProgress)
  }

  kvCacheSpec(): KvCacheSpec {
    return this.#runner.kvCacheSpec()
  }

  /** Memory that is free now, and what activations will take of it. */
  async measure(limits: BatchLimits): Promise<{ memory: MemoryInfo; profile: MemoryProfile }> {
    const profile = await this.#runner.profile(limits)
    await this.#framework.emptyCache()
    return { memory: await this.#framework.memoryInfo(this.#device), profile }
  }

  /** The smallest `count` of all ranks. Every rank must ask. */
  async agreeOnMinimum(count: number): Promise<number> {
    const own = this.#framework.tensor(Int32Array.of(count), { dtype: 'int32', device: this.#device })
    const least = new Int32Array(1)
    await this.#framework.copyToHost(await this.#framework.allReduce(own, 'min'), least)
    return least[0] as number
  }

  /** Allocates `numBlocks` blocks in every layer, hands them to the runner and warms it up. @throws OutOfMemoryError. */
  async initializeCache(numBlocks: number, onProgress: (fraction: number) => void): Promise<void> {
    this.#cache = allocateKvCache(this.#framework, this.#runner.kvCacheSpec(), numBlocks, this.#device)
    await this.#framework.synchronize()
    await this.#runner.bindKvCache(this.#cache)
    await this.#runner.warmup(onProgress)
  }

  /** Memory that the runner fills with logits, if it has its own. */
  logitsMemory(): Float32Array | undefined {
    return this.#runner.logitsMemory?.()
  }

  execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    return this.#runner.execute(batch, logits)
  }

  /** Whether the runner makes vectors of sequences. */
  get embeds(): boolean {
    return this.#runner.embed !== undefined
  }

  async embed(batch: EmbedBatch, out: Float32Array): Promise<void> {
    if (this.#runner.embed === undefined)
      throw new NotSupportedError('The framework that runs this model does not embed.')
    await this.#runner.embed(batch, out)
  }

  async close(): Promise<void> {
    this.#cache = []
    try {
      await this.#runner.close()
    } finally {
      await this.#opened.close()
    }
  }
}
