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
  readonly #framework: Framework
  readonly #runner: ModelRunner
  readonly #device: Device
  #cache: readonly Tensor[] = []

  private constructor(framework: Framework, runner: ModelRunner, device: Device) {
    this.#framework = framework
    this.#runner = runner
    this.#device = device
  }

  static async create(opened: OpenedPlugin, target: Target): Promise<Worker> {
    opened.framework.setDevice(target.device)
    return new Worker(opened.framework, await opened.createRunner(target), target.device)
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
    this.#framework.emptyCache()
    return { memory: this.#framework.memoryInfo(this.#device), profile }
  }

  /** Allocates `numBlocks` blocks in every layer, hands them to the runner and warms it up. @throws OutOfMemoryError. */
  async initializeCache(numBlocks: number): Promise<void> {
    this.#cache = allocateKvCache(this.#framework, this.#runner.kvCacheSpec(), numBlocks, this.#device)
    this.#runner.bindKvCache(this.#cache)
    await this.#runner.warmup()
  }

  execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    return this.#runner.execute(batch, logits)
  }

  async close(): Promise<void> {
    this.#cache = []
    await this.#runner.close()
  }
}
