// Finds and loads the native module of core, sampler and text. The types are those that Rust generates.

import { NativeBindingError } from '../errors.js'

/** What the addon exports, as its generated declarations say. */
export type Native = typeof import('../../native/native.js')

let loading: Promise<Native> | undefined

/**
 * The native module, loaded once in a process.
 * @throws NativeBindingError naming the platform, the files tried and the command that helps.
 */
export function loadNative(): Promise<Native> {
  loading ??= importNative()
  return loading
}

async function importNative(): Promise<Native> {
  const entry = new URL('../../native/native.js', import.meta.url)
  try {
    return (await import(entry.href)) as Native
  } catch (cause) {
    throw missingBinding('quire', '@quire-llm/native', new URL('.', entry).pathname, cause)
  }
}

function missingBinding(binary: string, packageName: string, directory: string, cause: unknown): NativeBindingError {
  const platform = platformName()
  const tried = [`${directory}native.js`, `${directory}${binary}.${platform}.node`, `${packageName}-${platform}`]
  const override = process.env.NAPI_RS_NATIVE_LIBRARY_PATH
  if (override !== undefined) tried.unshift(`${override} (NAPI_RS_NATIVE_LIBRARY_PATH)`)
  return new NativeBindingError(
    `The native module of Quire for ${platform} cannot be loaded. Tried: ${tried.join(', ')}. ` +
      `In an app run \`npm install ${packageName}-${platform}\` (or remove node_modules and install again without --omit=optional); in a clone run \`npm run build\`.`,
    { cause, details: { platform, tried } },
  )
}

/** `linux-x64-gnu`, `darwin-arm64`, `win32-x64-msvc`: as napi-rs names the packages. */
function platformName(): string {
  const { platform, arch } = process
  if (platform === 'win32') return `${platform}-${arch}-msvc`
  if (platform !== 'linux') return `${platform}-${arch}`
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined
  return `${platform}-${arch}-${report?.header?.glibcVersionRuntime === undefined ? 'musl' : 'gnu'}`
}
