// What the browser gives to the page's side of an engine: Workers, locks, and the module, compiled once.

import type { Build } from '../binding/wasm/builds.js'
import { helpOfPolicy, importBuilds, loadWasm } from '../binding/wasm/index.js'
import { supportsRelaxedSimd, supportsSimd, supportsThreads } from '../binding/wasm/wasm-features.js'
import { NativeBindingError, NotSupportedError, WorkerError } from '../errors.js'
import type { SpawnWorker, WatchLock } from './engine-worker.js'
import type { CompiledModule, WebRuntime } from './web-creation.js'
import type { WebAssets } from './web-options.js'

/** Starts the Worker's script: the one beside this file, or at the address given. */
function spawner({ worker: address }: WebAssets): SpawnWorker {
  return events => {
    const worker = startWorker(address)
    worker.addEventListener('message', ({ data }) => events.message(data))
    worker.addEventListener('messageerror', () => events.error('a message cannot be read'))
    worker.addEventListener('error', event => {
      event.preventDefault()
      events.error(event.message || 'its script cannot be loaded')
    })
    return {
      post: (message, transfer = []) => worker.postMessage(message, transfer),
      terminate: () => worker.terminate(),
    }
  }
}

/** @throws WorkerError where the browser lets no such script be a Worker. */
function startWorker(address: WebAssets['worker']): Worker {
  const options = { type: 'module', name: 'quire' } as const
  try {
    if (address !== undefined) return new Worker(scriptAt(new URL(address, location.href)), options)
    const here = new URL(import.meta.url)
    const isImportedFromElsewhere = /^https?:$/.test(here.protocol) && here.origin !== location.origin
    if (isImportedFromElsewhere) return new Worker(scriptAt(new URL('worker.js', here)), options)
    // Bundlers look for these very words.
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'quire' })
  } catch (cause) {
    throw new WorkerError(`The Worker cannot be started: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

/** A Worker's script must be of the page's own origin; what it imports need not. */
function scriptAt(url: URL): URL | string {
  if (url.origin === location.origin) return url
  return URL.createObjectURL(new Blob([scriptThatImports(url.href)], { type: 'text/javascript' }))
}

/**
 * WebKit lets such a script import from elsewhere on an isolated page, but not by a declaration; messages that come meanwhile wait.
 * A text, which no bundler changes.
 */
const scriptThatImports = (url: string) => `
const early = []
const keep = ({ data }) => early.push(data)
addEventListener('message', keep)
import(${JSON.stringify(url)}).then(
  () => {
    removeEventListener('message', keep)
    for (const data of early) dispatchEvent(new MessageEvent('message', { data }))
  },
  error => setTimeout(() => { throw error }),
)`

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
  const builds = await importBuilds()
  if (!supportsRelaxedSimd()) return compileBuild(builds.simd, assets)
  if (threads > 1 && supportsThreads()) {
    try {
      return await compileBuild(builds.threads, assets)
    } catch (error) {
      // biome-ignore lint/suspicious/noConsole: a page has no other place for a warning
      console.warn('Quire computes with one thread: its build with threads cannot be loaded.', error)
    }
  }
  return compileBuild(builds.relaxed, assets)
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
    const help = helpOfPolicy(reason) ?? 'Serve the folder of @quire-llm/wasm, and name its address as `assets.wasm`.'
    throw new NativeBindingError(`The WebAssembly module at ${url.href} cannot be loaded (${reason}). ${help}`, {
      cause,
      details: { url: url.href },
    })
  }
}

const browserRuntime: WebRuntime = {
  get baseUrl() {
    return location.href
  },
  compile,
  spawner,
  watchLock,
  openDoor: ({ module, build }) => loadWasm({ source: module, build }),
}

/** What this page gives. @throws NotSupportedError where this is no page; NativeBindingError if the module would be missing there too. */
export async function pageRuntime(): Promise<WebRuntime> {
  if (typeof Worker === 'function' && typeof globalThis.location === 'object') return browserRuntime
  await importBuilds()
  throw new NotSupportedError(
    '`quire-llm/web` runs on web pages and in their Workers: here is no Worker to be started, or no address of a page. In Node.js, Bun and Deno import `quire-llm`.',
  )
}
