// What a GGUF file says of itself, read without its weights.

import type { Native } from './native.js'
import { unwrap } from './outcome.js'

/** A GGUF file, or the first part of a split one. */
export interface GgufSummary {
  /** As `architectures` of config.json would have it. */
  readonly architecture: string
  /** The model's name. */
  readonly name?: string
  /** Parts of the file. */
  readonly numParts: number
  /** Tensors of this part. */
  readonly numTensors: number
  /** Numbers in them. */
  readonly numParameters: number
  /** What tensors are stored as, most first. */
  readonly formats: readonly { readonly name: string; readonly numTensors: number }[]
  /** The kind of vocabulary. */
  readonly tokenizer?: string
  /** How texts are split before they are tokenized. */
  readonly preTokenizer?: string
  /** Whether it has a chat template. */
  readonly hasChatTemplate: boolean
}

/**
 * Reads the header of a file, off the JavaScript thread.
 * @throws ModelError: `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_INVALID` for what is no GGUF file, `ERR_MODEL_UNSUPPORTED` for an
 * architecture that is not read.
 */
export async function readGgufSummary(native: Native, path: string): Promise<GgufSummary> {
  return unwrap(await native.ggufSummary(path))
}
