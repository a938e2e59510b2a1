// From the options of a page to the parts of an engine: the module compiled, the Worker started, the model on its way there.

import type { Native } from '../binding/index.js'
import type { BuildName } from '../binding/wasm/builds.js'
import { check } from '../config/check.js'
import { type EnginePlan, throwIfAborted } from '../engine/engine-plan.js'
import { randomId } from '../engine/random-bytes.js'
import { RemoteLoop, type RemoteLoopOptions } from '../engine/remote-loop.js'
import { RequestAbortedError } from '../errors.js'
import { EngineWorker, type SpawnWorker, type WatchLock } from './engine-worker.js'
import { textWithWorker } from './page-text.js'
import { parseWebOptions, type WebAssets, type WebEngineOptions } from './web-options.js'

/** What the page's thread gives. */
export interface WebRuntime {
  readonly baseUrl: string
  /** @param threads how many may compute; undefined = as many as pay. */
  compile(assets: WebAssets, threads: number | undefined): Promise<CompiledModule>
  spawner(assets: WebAssets): SpawnWorker
  readonly watchLock: WatchLock
  /** The module in this thread. */
  openDoor(compiled: CompiledModule): Promise<PageDoor>
}

export interface CompiledModule {
  readonly module: WebAssembly.Module
  readonly build: BuildName
}

export interface PageDoor {
  readonly native: Native
  readonly files: { write(path: string, bytes: Uint8Array): void; remove(directory: string): void }
}

/** A plan that is being carried out already, and its end. */
export interface WebEnginePlan extends EnginePlan {
  /** The engine is there, or is not: the signal is heard of no more. @throws RequestAbortedError if it was aborted. */
  settle(): void
  /** Ends the Worker. */
  giveUp(): void
}

let numEngines = 0

/** @throws InvalidArgumentError, RequestAbortedError, at once. */
export function planWebEngine(options: WebEngineOptions, runtime: WebRuntime): WebEnginePlan {
  const { onProgress = () => {}, onDownload = () => {}, signal, assets = {} } = check.object('options', options)
  check.callback('onProgress', onProgress)
  check.callback('onDownload', onDownload)
  throwIfAborted(check.optional(check.signal, 'signal', signal))
  numEngines += 1
  const directory = `/models/${numEngines}`
  const { config, threads, tokenizer, ...start } = parseWebOptions(options, { baseUrl: runtime.baseUrl, directory })
  const compiling = runtime.compile(assets, threads)
  const worker = new EngineWorker({
    spawn: runtime.spawner(assets),
    watchLock: runtime.watchLock,
    start: { ...start, config, lock: `quire-worker ${randomId()}`, ...(tokenizer !== undefined && { tokenizer }) },
    onDownload,
  })
  compiling.then(
    compiled => worker.give(compiled, threads),
    (error: Error) => worker.fail(error),
  )
  const onAbort = () => worker.cancel(new RequestAbortedError(undefined, { cause: signal?.reason }))
  signal?.addEventListener('abort', onAbort, { once: true })
  const textDirectory = tokenizer === undefined ? directory : `${directory}-tokenizer`
  const text = new TextSide(
    compiling,
    worker,
    config.model.tokenizerPath === undefined ? undefined : textDirectory,
    runtime,
  )
  const connect: RemoteLoopOptions['connect'] = events => {
    const line = worker.connect(events)
    return {
      ...line,
      end: async () => {
        text.forget()
        await line.end()
      },
    }
  }
  return {
    config,
    isLocal: false,
    loadNative: () => text.open(),
    adaptText: here => textWithWorker(here, worker),
    makeLoop: events => RemoteLoop.create({ connect, events, onProgress }),
    settle: () => {
      signal?.removeEventListener('abort', onAbort)
      throwIfAborted(signal)
    },
    giveUp: () => {
      signal?.removeEventListener('abort', onAbort)
      text.forget()
      worker.end()
    },
  }
}

/** The module in the page's thread, with the files of this engine's tokenizer. */
class TextSide {
  readonly #compiling: Promise<CompiledModule>
  readonly #worker: EngineWorker
  readonly #directory: string | undefined
  readonly #runtime: WebRuntime
  #door: PageDoor | undefined

  constructor(
    compiling: Promise<CompiledModule>,
    worker: EngineWorker,
    directory: string | undefined,
    runtime: WebRuntime,
  ) {
    this.#compiling = compiling
    this.#worker = worker
    this.#directory = directory
    this.#runtime = runtime
  }

  async open(): Promise<Native> {
    const [door, files] = await Promise.all([
      this.#compiling.then(compiled => this.#runtime.openDoor(compiled)),
      this.#worker.textFiles,
    ])
    this.#door = door
    if (this.#directory !== undefined) {
      for (const { name, bytes } of files) door.files.write(`${this.#directory}/${name}`, bytes)
    }
    return door.native
  }

  forget(): void {
    if (this.#directory !== undefined) this.#door?.files.remove(this.#directory)
    this.#door = undefined
  }
}
