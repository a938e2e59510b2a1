// Loads the native module of core, sampler and text. The types are those that Rust generates.

import { createRequire } from 'node:module'
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
    requirePackage,
  }) as Native
}

const require = createRequire(import.meta.url)

/** By whole names, as `NativeAddon.requirePackage` says. */
function requirePackage(platform: string): unknown {
  switch (platform) {
    case 'linux-x64-gnu':
      return require('@quire-llm/node-linux-x64-gnu')
    case 'linux-x64-musl':
      return require('@quire-llm/node-linux-x64-musl')
    case 'linux-arm64-gnu':
      return require('@quire-llm/node-linux-arm64-gnu')
    case 'linux-arm64-musl':
      return require('@quire-llm/node-linux-arm64-musl')
    case 'darwin-arm64':
      return require('@quire-llm/node-darwin-arm64')
    case 'darwin-x64':
      return require('@quire-llm/node-darwin-x64')
    case 'win32-x64-msvc':
      return require('@quire-llm/node-win32-x64-msvc')
    case 'win32-arm64-msvc':
      return require('@quire-llm/node-win32-arm64-msvc')
    default:
      return undefined
  }
}
