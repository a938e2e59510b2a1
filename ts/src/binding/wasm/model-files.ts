// The files of models in the module's memory: what a browser has instead of a folder.

import { unwrap } from '../outcome.js'
import type { GgufHeader, NativeWeightsWriter, WasmOnly } from './glue.js'

/** Model folders by paths such as `/models/a`. */
export class ModelFiles {
  readonly #module: WasmOnly

  constructor(module: WasmOnly) {
    this.#module = module
  }

  /** Keeps a small file whole: `/models/a/config.json`. */
  write(path: string, bytes: Uint8Array): void {
    unwrap(this.#module.writeFile(path, bytes))
  }

  /**
   * Opens a safetensors or GGUF file of `byteLength` bytes, to be written in pieces.
   * @throws OutOfMemoryError where it cannot fit.
   */
  openWeights(path: string, byteLength: number): WeightsWriter {
    return new WeightsWriter(unwrap(this.#module.WeightsWriter.create(path, byteLength)))
  }

  /**
   * The header of a GGUF file of `byteLength` bytes that begins with `start`; undefined if more of the file is needed. Numbers
   * that are not in blocks are reckoned with `elementBytes` each.
   * @throws ModelError for what is no GGUF file.
   */
  ggufHeader({ name, byteLength }: GgufFile, start: Uint8Array, elementBytes: number): GgufHeader | undefined {
    const header = this.#module.ggufHeader(name, start, byteLength, elementBytes)
    return header === undefined ? undefined : unwrap(header)
  }

  /** Forgets a folder: its tokenizer and its model keep what they have made of it. */
  remove(directory: string): void {
    this.#module.removeFiles(directory)
  }
}

/** A file, to those who read its header. */
export interface GgufFile {
  readonly name: string
  readonly byteLength: number
}

/** A file that comes in pieces. Its tensors go to the memory from which the model takes them; it is never held twice. */
export class WeightsWriter {
  readonly #native: NativeWeightsWriter

  constructor(native: NativeWeightsWriter) {
    this.#native = native
  }

  /**
   * Takes the next bytes, however many.
   * @throws OutOfMemoryError as soon as the header says that the weights do not fit; ModelError for a malformed file.
   */
  write(piece: Uint8Array): void {
    unwrap(this.#native.write(piece))
  }

  /** The file is complete. @throws ModelError where bytes are missing. */
  close(): void {
    unwrap(this.#native.close())
  }
}
