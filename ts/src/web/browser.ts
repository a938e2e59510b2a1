// What the browser gives to the page's side of an engine: Workers, locks, and the module, compiled once.

import { type Build, relaxedBuild, simdBuild, threadsBuild } from '../binding/wasm/builds.js'
import { loadWasm } from '../binding/wasm/index.js'
import { supportsRelaxedSimd, supportsSimd, supportsThreads } from '../binding/wasm/wasm-features.js'
import { NativeBindingError } from '../errors.js'
import type { SpawnWorker, WatchLock } from './engine-worker.js'
import type { CompiledModule, WebRuntime } from './web-creation.js'
import type { WebAssets } from './web-options.js'

/** Starts the Worker's script: the one beside this file, or at the address given. */
function spawner({ worker: address }: WebAssets): SpawnWorker {
  return events => {
    // Bundlers look for these very words.
    const worker =
      address === undefined
        ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'quire' })
        : new Worker(scriptAt(new URL(address, location.href)), { type: 'module', name: 'quire' })
    worker.addEventListener('message', ({ data }) => events.message(data))
    worker.addEventListener('messageerror', () => events.error('a message cannot be read'))
    worker.addEventListener('error', event => {
      event.preventDefault()
      events.error(event.message || 'its script cannot be loaded')
    })
    return { post: message => worker.postMessage(message), terminate: () => worker.terminate() }
  }
}

/** A Worker's script must be of the page's own origin; what it imports need not. */
function scriptAt(url: URL): URL | string {
  if (url.origin === location.origin) return url
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(url.href)}`], { type: 'text/javascript' }))
}

const watchLock: WatchLock = (name, onFree) => {
  if (!('locks' in navigator)) return () => {}
  const stop = new AbortController()
  navigator.locks.request(name, { signal: stop.signal }, onFree).catch(() => {}) // stopped
  return () => stop.abort()
}

const compiled = new Map<string, Promise<CompiledModule>>()

/** The best build that this browser can run. @throws NativeBindingError. */
async function compile(assets: WebAssets, threads = navigator.hardwareConcurrency): Promise<CompiledModule> {
  if (!supportsSimd()) throw new NativeBindingError('This browser has no WebAssembly SIMD, which Quire needs.')
  if (!supportsRelaxedSimd()) return compileBuild(simdBuild, assets)
  if (threads > 1 && supportsThreads()) {
    try {
      return await compileBuild(threadsBuild, assets)
    } catch (error) {
      // biome-ignore lint/suspicious/noConsole: a page has no other place for a warning
      console.warn('Quire computes with one thread: its build with threads cannot be loaded.', error)
    }
  }
  return compileBuild(relaxedBuild, assets)
}

/** Compiled once for the page and all its Workers. */
function compileBuild({ name, module }: Build, { wasm }: WebAssets): Promise<CompiledModule> {
  const url = wasm === undefined ? module : new URL(`${name}/quire_bg.wasm`, new URL(`${wasm}/`, location.href))
  let compiling = compiled.get(url.href)
  if (compiling === undefined) {
    compiling = compileAt(url).then(module => ({ module, build: name }))
    compiled.set(url.href, compiling)
    compiling.catch(() => compiled.delete(url.href)) // the next engine tries again
  }
  return compiling
}

async function compileAt(url: URL): Promise<WebAssembly.Module> {
  try {
    const response = await fetch(url)
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    const isWasm = /^application\/wasm\b/.test(response.headers.get('content-type') ?? '')
    return isWasm
      ? await WebAssembly.compileStreaming(response)
      : await WebAssembly.compile(await response.arrayBuffer())
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new NativeBindingError(
      `The WebAssembly module at ${url.href} cannot be loaded (${reason}). Serve the folder of @quire-llm/wasm, and name its address as \`assets.wasm\`.`,
      { cause, details: { url: url.href } },
    )
  }
}

export const browserRuntime: WebRuntime = {
  get baseUrl() {
    return location.href
  },
  compile,
  spawner,
  watchLock,
  openDoor: ({ module, build }) => loadWasm({ source: module, build }),
}
