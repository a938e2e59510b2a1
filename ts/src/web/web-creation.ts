// From the options of a page to the parts of an engine: the module compiled, the Worker started, the model on its way there.

import type { Native } from '../binding/index.js'
import type { BuildName } from '../binding/wasm/builds.js'
import { check } from '../config/check.js'
import { type EnginePlan, throwIfAborted } from '../engine/engine-plan.js'
import { randomId } from '../engine/random-bytes.js'
import { RemoteLoop, type RemoteLoopOptions } from '../engine/remote-loop.js'
import { RequestAbortedError } from '../errors.js'
import { EngineWorker, type SpawnWorker, type WatchLock } from './engine-worker.js'
import { PageTextSide } from './page-text.js'
import { TextWorker } from './text-worker.js'
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
  const { tokenizerPath } = config.model
  const textDirectory = tokenizer === undefined ? directory : `${directory}-tokenizer`
  const { watchLock } = runtime
  const spawn = runtime.spawner(assets)
  const lock = `quire-worker ${randomId()}`
  const worker: EngineWorker = new EngineWorker({
    spawn,
    watchLock,
    start: { ...start, config, lock, ...(tokenizer !== undefined && { tokenizer }) },
    onDownload,
    onLost: error => texts?.fail(error),
  })
  const texts =
    tokenizerPath === undefined
      ? undefined
      : new TextWorker({
          spawn,
          watchLock,
          start: { tokenizerPath, directory: textDirectory, lock: `${lock} texts` },
          onLost: error => worker.fail(error),
        })
  worker.textFiles.then(
    files => texts?.open(files),
    () => {}, // the Worker has ended, and said so
  )
  compiling.then(
    compiled => {
      worker.give(compiled, threads)
      texts?.give(compiled)
    },
    (error: Error) => worker.fail(error),
  )
  const onAbort = () => worker.cancel(new RequestAbortedError(undefined, { cause: signal?.reason }))
  signal?.addEventListener('abort', onAbort, { once: true })
  const text = new PageTextSide({ compiling, runtime, worker: texts, tokenizerPath, directory: textDirectory })
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
    openText: (native, chatTemplate) => text.openText(native, chatTemplate),
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
