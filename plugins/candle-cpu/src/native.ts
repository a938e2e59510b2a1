// Finds and loads the native module of the candle runner.

import { loadNativeAddon } from 'quire-llm/plugin'

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
