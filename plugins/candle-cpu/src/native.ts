// Finds and loads the native module of the candle runner, and turns its tagged failures into typed errors.

import { errorFromNative, NativeBindingError } from 'quire-llm/plugin'
import type { Failure } from '../native/native.js'

/** What the addon exports, as its generated declarations say. */
export type Native = typeof import('../native/native.js')

/** @throws NativeBindingError naming the platform and the command that helps. */
export async function loadNative(): Promise<Native> {
  try {
    return (await import(new URL('../native/native.js', import.meta.url).href)) as Native
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`
    const folder = new URL('../native/', import.meta.url).pathname
    throw new NativeBindingError(
      `The candle module for ${platform} cannot be loaded (looked in ${folder} and for @quire-llm/candle-cpu-native-${platform}). In an app install again without --omit=optional; in a clone run \`npm run build\`.`,
      { cause, details: { platform, folder } },
    )
  }
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
