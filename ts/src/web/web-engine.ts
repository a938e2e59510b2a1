// The engine on a web page: requests and texts are in the page's thread, the loop and the model in a Worker.

import { Engine as PortableEngine } from '../engine/engine.js'
import { pageRuntime } from './browser.js'
import { planWebEngine } from './web-creation.js'
import { type WebEngineOptions, withResolvedHandles } from './web-options.js'

/** A model in a Worker of this page, and the requests on their way through it. */
export class Engine extends PortableEngine {
  /**
   * Downloads a model if need be, loads it in a Worker, sizes the KV cache and warms up.
   * @throws InvalidArgumentError, ModelError, HubError, OutOfMemoryError, TokenizerError, NativeBindingError, NotSupportedError,
   * WorkerError, RequestAbortedError.
   */
  static async create(options: WebEngineOptions): Promise<Engine> {
    const plan = planWebEngine(await withResolvedHandles(options), await pageRuntime())
    try {
      const engine = await Engine.open(plan, parts => new Engine(parts))
      plan.settle()
      return engine
    } catch (error) {
      plan.giveUp()
      throw error
    }
  }
}
