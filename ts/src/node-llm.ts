// The offline API on Node: progress is drawn on a terminal.

import { check } from './config/check.js'
import type { CreateOptions } from './engine/index.js'
import { Engine } from './engine/node-engine.js'
import { LLM as PortableLLM } from './llm.js'
import { DownloadBar, ProgressBar } from './progress-bar.js'

/** A model, loaded: `await using llm = await LLM.create({ model })`. */
export class LLM extends PortableLLM {
  /**
   * Loads a model, sizes the KV cache and warms up.
   * @throws InvalidArgumentError, ModelError, HubError, NoFrameworkError, OutOfMemoryError, TokenizerError.
   */
  static async create(options: CreateOptions = {}): Promise<LLM> {
    const download = new DownloadBar(process.stderr, process.env)
    const onDownload = check.object('options', options).onDownload ?? download.show
    try {
      const engine = await Engine.create({ ...options, onDownload }, 'inline')
      return new LLM(engine, prompts => new ProgressBar(process.stderr, prompts, performance.now.bind(performance)))
    } finally {
      download.finish()
    }
  }
}
