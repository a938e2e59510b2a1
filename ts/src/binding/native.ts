// Loads the native module of core, sampler and text. The types are those that Rust generates.

import { loadNativeAddon } from '../plugin/native-addon.js'

/** What the addon exports, as its generated declarations say. */
export type Native = typeof import('../../native/native.js')

/**
 * The native module, loaded once in a process.
 * @throws NativeBindingError naming the platform, the files tried and the command that helps.
 */
export async function loadNative(): Promise<Native> {
  return loadNativeAddon({
    owner: 'quire-llm',
    binary: 'quire',
    packages: '@quire-llm/node',
    from: import.meta.url,
    root: '../../',
  }) as Native
}
