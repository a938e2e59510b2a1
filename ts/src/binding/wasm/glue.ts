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
  /** What the panic said that ended the module. */
  panicMessage(): string | undefined
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
    default(options: { module_or_path: WasmSource }): Promise<{ readonly memory: WasmMemory }>
  }

/** Makes the module run that `source` is. */
export function instantiateGlue(glue: Glue, source: WasmSource): Promise<{ readonly memory: WasmMemory }> {
  return glue.default({ module_or_path: source })
}

/** `WebAssembly.Memory` */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike
}
