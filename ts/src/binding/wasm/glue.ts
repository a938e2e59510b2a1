// What `npm run build:wasm` makes: the module and the JavaScript around it, by wasm-bindgen. Two builds of the same sources.

import type { Outcome } from '../../../native/native.js'
import type { Native } from '../native.js'

/** What the module has beside the classes and functions of the native door. */
export interface WasmOnly {
  /** Keeps a small file. */
  writeFile(path: string, bytes: Uint8Array): Outcome<boolean>
  /** Forgets everything in a folder. */
  removeFiles(directory: string): boolean
  readonly WeightsWriter: {
    create(path: string, byteLength: number): Outcome<NativeWeightsWriter>
  }
  /** The header of a GGUF file that begins with `start`; undefined if more of the file is needed. */
  ggufHeader(path: string, start: Uint8Array, fileBytes: number, elementBytes: number): Outcome<GgufHeader> | undefined
  /** What the panic said that ended the module. */
  panicMessage(): string | undefined
  /** Makes the calling Worker a thread of the kernels. Returns never; throws when it traps. */
  lendThread(): boolean
  /** A lent thread trapped: who waits for it fails. */
  threadFailed(): boolean
}

/** What is known of a GGUF file before its weights. */
export interface GgufHeader {
  /** Bytes of the header. */
  readonly headerBytes: number
  /** Bytes that the weights take in memory, where blocks stay blocks. */
  readonly packedBytes: number
  readonly numParameters: number
}

export interface NativeWeightsWriter {
  write(piece: Uint8Array): Outcome<boolean>
  close(): Outcome<boolean>
}

/** What `WebAssembly.instantiate` or `instantiateStreaming` takes. */
export type WasmSource = URL | Response | Promise<Response> | ArrayBuffer | Uint8Array | object

/** The JavaScript around a module: its exports, once `default` has instantiated it. */
export type Glue = Native &
  WasmOnly & {
    default(options: {
      module_or_path: WasmSource
      memory?: WasmMemory
      thread_stack_size?: number
    }): Promise<{ readonly memory: WasmMemory }>
  }

/** A further thread: over another Worker's memory, with a stack of its own. */
export interface ThreadPlace {
  readonly memory: WasmMemory
  readonly stackBytes: number
}

/** Makes the module run that `source` is: over memory of its own, or as a thread. */
export function instantiateGlue(
  glue: Glue,
  source: WasmSource,
  place?: ThreadPlace,
): Promise<{ readonly memory: WasmMemory }> {
  return glue.default({
    module_or_path: source,
    ...(place !== undefined && { memory: place.memory, thread_stack_size: place.stackBytes }),
  })
}

/** `WebAssembly.Memory` */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike
}
