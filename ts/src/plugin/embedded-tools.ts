// What the embedded default does beside running models, for the command line: it writes GGUF files.

import { PluginError } from '../errors.js'

const toolsModule = '@quire-llm/candle-cpu/tools'

/** One file to be written. */
export interface GgufQuantization {
  /** A GGUF file, of a split one any part, or a folder in Hugging Face's layout. */
  readonly source: string
  /** The file that is written; one that is there is replaced when the new one is complete. */
  readonly output: string
  /** One of `ggufFileTypes`. */
  readonly fileType: string
  /** Every matrix in the one format, as quantising on load makes them. */
  readonly pure: boolean
  /** Threads that compute. */
  readonly threads: number
  /** Ends it; what was written is removed. */
  readonly signal?: AbortSignal
  /** Hears the share that is written, from 0 to 1. */
  onProgress?(fraction: number): void
}

/** What the module exports by the name `tools`. */
export interface EmbeddedTools {
  /** What files can be written as, most bits first. @throws NativeBindingError. */
  ggufFileTypes(): Promise<readonly string[]>
  /**
   * Writes a model as a GGUF file, off the JavaScript thread; gives the new file's bytes.
   * @throws ModelError for what is no model or has no form in the format; InvalidArgumentError of `output` where it can't be
   * written, EngineError ERR_DISK_FULL where there is no room; RequestAbortedError.
   */
  quantizeToGguf(quantization: GgufQuantization): Promise<number>
}

/** The tools. @throws PluginError where the package is not installed. */
export async function loadEmbeddedTools(): Promise<EmbeddedTools> {
  const module = await import(toolsModule).catch((cause: Error) => {
    throw new PluginError(`${toolsModule} cannot be imported (${cause.message}).`, { cause })
  })
  return (module as { tools: EmbeddedTools }).tools
}
