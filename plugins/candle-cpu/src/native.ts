// Finds and loads the native module of the candle runner.

import { createRequire } from 'node:module'
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
    requirePackage,
  }) as Native
}

const require = createRequire(import.meta.url)

/** By whole names, as `NativeAddon.requirePackage` says. */
function requirePackage(platform: string): unknown {
  switch (platform) {
    case 'linux-x64-gnu':
      return require('@quire-llm/candle-cpu-linux-x64-gnu')
    case 'linux-x64-musl':
      return require('@quire-llm/candle-cpu-linux-x64-musl')
    case 'linux-arm64-gnu':
      return require('@quire-llm/candle-cpu-linux-arm64-gnu')
    case 'linux-arm64-musl':
      return require('@quire-llm/candle-cpu-linux-arm64-musl')
    case 'darwin-arm64':
      return require('@quire-llm/candle-cpu-darwin-arm64')
    case 'darwin-x64':
      return require('@quire-llm/candle-cpu-darwin-x64')
    case 'win32-x64-msvc':
      return require('@quire-llm/candle-cpu-win32-x64-msvc')
    case 'win32-arm64-msvc':
      return require('@quire-llm/candle-cpu-win32-arm64-msvc')
    default:
      return undefined
  }
}
