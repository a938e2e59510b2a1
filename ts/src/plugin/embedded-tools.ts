// What the embedded default does beside running models, for the command line: it writes GGUF files, collects how much columns
// of matrices count, and measures the machine.

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
  /** An importance matrix: a file by whose numbers errors of rounding count. */
  readonly imatrix?: string
  /** Threads that compute. */
  readonly threads: number
  /** Ends it; what was written is removed. */
  readonly signal?: AbortSignal
  /** Hears the share that is written, from 0 to 1. */
  onProgress?(fraction: number): void
}

/** One run over texts. */
export interface ImportanceCollection {
  /** A GGUF file, of a split one any part, or a folder in Hugging Face's layout. */
  readonly source: string
  /** The file that is written; one that is there is replaced when the new one is complete. */
  readonly output: string
  /** Chunks of tokens one after another; what is behind the last whole one is left out. */
  readonly tokenIds: Int32Array
  /** Tokens of a chunk, each of which is a sequence. */
  readonly chunkTokens: number
  /** What the texts are called in the file. */
  readonly dataset: string
  /** Threads that compute. */
  readonly threads: number
  /** Ends it; nothing is written. */
  readonly signal?: AbortSignal
  /** Hears the share that is done, from 0 to 1. */
  onProgress?(fraction: number): void
}

/** What is measured of this machine. */
export interface KernelMeasurementOptions {
  /** Threads that compute. */
  readonly threads: number
  /** The kernels, as `QUIRE_CPU` names them; absent = the best. */
  readonly kernels?: string
  /** Formats of weights, such as `bfloat16`, `int8` and `Q4_K`; what is not known is passed over. */
  readonly formats: readonly string[]
}

/** What this machine can do at its best, and what the kernels make of it. Rates are for a second. */
export interface KernelMeasurement {
  /** The kernels that were measured. */
  readonly kernels: string
  /** Bytes that are read from memory. */
  readonly readBytes: number
  /** Operations of float32; a multiply-add is two. */
  readonly float32Operations: number
  /** Operations of bfloat16, by the widest instruction. */
  readonly bfloat16Operations: number
  /** Operations of bytes, by the widest instruction. */
  readonly int8Operations: number
  /** Shares of these limits, 1 being all: one token of the rate of reading, 512 tokens of the rate of operations. */
  readonly formats: readonly { readonly format: string; readonly decode: number; readonly prefill: number }[]
}

/** What the module exports by the name `tools`. */
export interface EmbeddedTools {
  /** What files can be written as, most bits first. @throws NativeBindingError. */
  ggufFileTypes(): Promise<readonly string[]>
  /**
   * Writes a model as a GGUF file, off the JavaScript thread; gives the new file's bytes.
   * @throws ModelError for what is no model or has no form in the format; InvalidArgumentError of `output` where it can't be
   * written, or of `imatrix` where it is none or of another model; EngineError ERR_DISK_FULL where there is no room;
   * RequestAbortedError.
   */
  quantizeToGguf(quantization: GgufQuantization): Promise<number>
  /**
   * Runs a model over texts and writes how large the inputs of its matrices are, off the JavaScript thread; gives the number of
   * matrices.
   * @throws ModelError for what is no model, or one whose matrices have no names in GGUF files; InvalidArgumentError of
   * `tokenIds`, `chunkTokens` or `output`; EngineError ERR_DISK_FULL; RequestAbortedError.
   */
  collectImportance(collection: ImportanceCollection): Promise<number>
  /**
   * Measures for about a second, and a second for each format, off the JavaScript thread; takes half a gigabyte meanwhile.
   * @throws InvalidArgumentError of `kernels`; EngineError ERR_OUT_OF_MEMORY.
   */
  measureKernels(options: KernelMeasurementOptions): Promise<KernelMeasurement>
}

/** The tools. @throws PluginError where the package is not installed. */
export async function loadEmbeddedTools(): Promise<EmbeddedTools> {
  const module = await import(toolsModule).catch((cause: Error) => {
    throw new PluginError(`${toolsModule} cannot be imported (${cause.message}).`, { cause })
  })
  return (module as { tools: EmbeddedTools }).tools
}
