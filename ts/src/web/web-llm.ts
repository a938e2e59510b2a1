// The offline API on a web page.

import { LLM as PortableLLM } from '../llm.js'
import { Engine } from './web-engine.js'
import type { WebEngineOptions } from './web-options.js'

/** A model, loaded: `const llm = await LLM.create({ model: '/models/smollm2/' })`. */
export class LLM extends PortableLLM {
  /**
   * Downloads a model if need be, loads it in a Worker, sizes the KV cache and warms up.
   * @throws as `Engine.create`.
   */
  static async create(options: WebEngineOptions): Promise<LLM> {
    return new LLM(await Engine.create(options))
  }
}
