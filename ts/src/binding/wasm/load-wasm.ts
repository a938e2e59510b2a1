// Instantiates the WebAssembly module: the same classes as the native modules, over memory of its own.

import { packageVersion } from '../../config/package-version.js'
import { NativeBindingError } from '../../errors.js'
import type { Native } from '../native.js'
import type { Build, BuildName } from './builds.js'
import { type Glue, instantiateGlue, type WasmMemory, type WasmSource } from './glue.js'
import { guardExports } from './guarded.js'
import { importBuilds } from './import-builds.js'
import { ModelFiles } from './model-files.js'
import { supportsRelaxedSimd, supportsSimd } from './wasm-features.js'

/** The module, instantiated once for each thread that asks. */
export interface WasmDoor {
  /** Which build runs. */
  readonly build: BuildName
  /** What the native module of core, sampler and text exports. */
  readonly native: Native
  /** What the native module of the embedded framework exports. */
  readonly runner: object
  /** The models' files. */
  readonly files: ModelFiles
  readonly memory: WasmMemory
}

export interface WasmOptions {
  /** Which build; absent = the best that this engine can run with one thread. */
  readonly build?: BuildName
  /** The module itself; absent = the file beside its JavaScript. */
  readonly source?: WasmSource
}

let loading: Promise<WasmDoor> | undefined

/**
 * Loads the module, once in a thread: options of later calls are not looked at.
 * @throws NativeBindingError where the engine lacks SIMD, or the module cannot be had.
 */
export function loadWasm(options: WasmOptions = {}): Promise<WasmDoor> {
  loading ??= instantiate(options)
  return loading
}

async function instantiate({ build: asked, source }: WasmOptions): Promise<WasmDoor> {
  if (!supportsSimd())
    throw new NativeBindingError('This JavaScript engine has no WebAssembly SIMD, which Quire needs.')
  const build = (await importBuilds())[asked ?? (supportsRelaxedSimd() ? 'relaxed' : 'simd')]
  const { glue, memory } = await instantiateBuild(build, source)
  const { default: _, ...exports } = glue
  const door = guardExports(exports, () => glue.panicMessage())
  const native = door as unknown as Native
  expectVersion(native.version())
  return { build: build.name, native, runner: door, files: new ModelFiles(door as unknown as Glue), memory }
}

async function instantiateBuild(build: Build, source?: WasmSource): Promise<{ glue: Glue; memory: WasmMemory }> {
  try {
    const glue = (await build.importGlue()) as Glue
    const { memory } = await instantiateGlue(glue, source ?? (await moduleAt(build.module)))
    return { glue, memory }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const [place, details] =
      source === undefined ? [` from ${build.module.href}`, { url: build.module.href }] : ['', undefined]
    const help =
      helpOfPolicy(reason) ??
      'In a clone run `npm run build:wasm`; in a web app serve the files of @quire-llm/wasm, or hand the module in.'
    throw new NativeBindingError(`The WebAssembly module cannot be loaded${place} (${reason}). ${help}`, {
      cause,
      details: { build: build.name, ...details },
    })
  }
}

/** What helps where a page's policy forbids WebAssembly; undefined for other reasons. */
export function helpOfPolicy(reason: string): string | undefined {
  if (!/content.security.policy|\bCSP\b/i.test(reason)) return undefined
  return "Let the page's policy have 'wasm-unsafe-eval' in script-src."
}

/** @throws NativeBindingError for the module of another release: its classes have other arguments. */
export function expectVersion(found: string): void {
  const wanted = packageVersion()
  if (found === wanted) return
  throw new NativeBindingError(
    `The WebAssembly module is that of Quire ${found}, this is ${wanted}: install @quire-llm/wasm@${wanted}, and serve its files anew.`,
    { details: { found, wanted } },
  )
}

/** Files are read, where there is a file system; everything else is fetched by the module's own JavaScript. */
async function moduleAt(url: URL): Promise<WasmSource> {
  if (url.protocol !== 'file:') return url
  const files = globalThis.process?.getBuiltinModule?.('node:fs/promises')
  return files === undefined ? url : await files.readFile(url)
}
