// The engine on Node: made of a model directory or a name on the hub, over plugins that are installed or registered.

import type { EngineConfig } from '../config/index.js'
import type { OpenRank } from '../executor/index.js'
import { Engine as PortableEngine } from './engine.js'
import { type CreateOptions, type LoopPlace, planEngine, planInline } from './engine-creation.js'

/** A model that was brought up, and the requests on their way through it. */
export class Engine extends PortableEngine {
  /**
   * Loads a model, sizes the KV cache and warms up. The loop gets a thread of its own, but for a plugin that was made known by
   * `registerPlugin`, which no other thread can reach.
   * @throws InvalidArgumentError, ModelError, HubError, NoFrameworkError, OutOfMemoryError, TokenizerError.
   */
  static async create(options: CreateOptions = {}, place: LoopPlace = 'thread'): Promise<Engine> {
    const plan = await planEngine(options, place)
    const engine = await Engine.open(plan, parts => new Engine(parts))
    try {
      plan.throwIfOver()
    } catch (error) {
      await engine.close()
      throw error
    }
    return engine
  }

  /** An engine whose loop runs in this thread, over ranks that `open` gives. @throws as `create`. */
  static inline(config: EngineConfig, open: OpenRank, onProgress?: (fraction: number) => void): Promise<Engine> {
    return Engine.open(planInline(config, open, onProgress), parts => new Engine(parts))
  }
}
