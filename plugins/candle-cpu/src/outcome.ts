// What native calls give: a value or a tagged failure, which becomes a typed error; and the bytes that they fill.

import { errorFromNative } from 'quire-llm/plugin'
import type { Failure } from '../native/native.js'

/** The value of a native call. @throws the typed error that the failure stands for. */
export function unwrap<T>(outcome: T | Failure): T {
  if (typeof outcome === 'object' && outcome !== null && (outcome as { ok?: unknown }).ok === false) {
    throw errorFromNative(outcome as Failure)
  }
  return outcome as T
}

/** The bytes of a typed array, shared: native code writes through them. */
export function bytesOf(array: ArrayBufferView): Buffer {
  // An addon takes any Uint8Array for a Buffer; where the module is WebAssembly, there is no Buffer.
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength) as Buffer
}
