// A native call gives its value or a tagged failure, because codes do not survive an exception across the door.

import type { Failure } from '../../native/native.js'
import { errorFromNative } from '../errors.js'

/** The value of a native call. @throws the typed error that the failure stands for. */
export function unwrap<T>(outcome: T): Exclude<T, Failure> {
  if (isFailure(outcome)) throw errorFromNative(outcome)
  return outcome as Exclude<T, Failure>
}

function isFailure(outcome: unknown): outcome is Failure {
  return typeof outcome === 'object' && outcome !== null && (outcome as { ok?: unknown }).ok === false
}

/** The bytes of a typed array, shared: native code writes through them, because it may make no memory of its own visible here. */
export function bytesOf(array: Int32Array | Float32Array | Float64Array | Uint32Array | Uint8Array): Buffer {
  // An addon takes any Uint8Array for a Buffer; where the module is WebAssembly, there is no Buffer.
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength) as Buffer
}
