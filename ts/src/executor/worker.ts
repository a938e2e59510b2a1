// One rank: a thread that holds one runner and its framework. It loads, measures, allocates and executes; it schedules nothing.

import type { Device, MemoryInfo } from '../plugin/device.js'
import type { Framework, Tensor } from '../plugin/framework.js'
import type { OpenedFramework } from '../plugin/framework-plugin.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type {
  BatchLimits,
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

  static async create(opened: OpenedPlugin, target: Target): Promise<Worker> {
    try {
      opened.framework.setDevice(target.device)
      return new Worker(opened, await opened.createRunner(target), target.device)
    } catch (error) {
      await opened.close()
      throw error
    }
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

  /** Allocates `numBlocks` blocks in every layer, hands them to the runner and warms it up. @throws OutOfMemoryError. */
  async initializeCache(numBlocks: number): Promise<void> {
    this.#cache = allocateKvCache(this.#framework, this.#runner.kvCacheSpec(), numBlocks, this.#device)
    await this.#framework.synchronize()
    await this.#runner.bindKvCache(this.#cache)
    await this.#runner.warmup(() => {})
  }

  /** Memory that the runner fills with logits, if it has its own. */
  logitsMemory(): Float32Array | undefined {
    return this.#runner.logitsMemory?.()
  }

  execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    return this.#runner.execute(batch, logits)
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
