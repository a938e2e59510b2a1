// Finds and loads the native module of the candle runner, and turns its tagged failures into typed errors.

import { errorFromNative, loadNativeAddon } from 'quire-llm/plugin'
import type { Failure } from '../native/native.js'

/** What the addon exports, as its generated declarations say. */
export type Native = typeof import('../native/native.js')

/** @throws NativeBindingError naming the platform, the files tried and the command that helps. */
export async function loadNative(): Promise<Native> {
  return loadNativeAddon({
    owner: '@quire-llm/candle-cpu',
    binary: 'quire-candle',
    packages: '@quire-llm/candle-cpu',
    from: import.meta.url,
    root: '../',
  }) as Native
}

/** The value of a native call. @throws the typed error that the failure stands for. */
export function unwrap<T>(outcome: T | Failure): T {
  if (typeof outcome === 'object' && outcome !== null && (outcome as { ok?: unknown }).ok === false) {
    throw errorFromNative(outcome as Failure)
  }
  return outcome as T
}

/** The bytes of a typed array, shared: native code writes through them. */
export function bytesOf(array: ArrayBufferView): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength)
}
