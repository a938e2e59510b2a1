// An engine's Worker as the page sees it: a line to its loop, and the files of its tokenizer. However it ends, everybody who waits
// for it hears of it.

import type { BuildName } from '../binding/wasm/builds.js'
import type { LoopReport } from '../engine/loop-messages.js'
import { fromPortable } from '../engine/portable-error.js'
import type { LoopLine, LoopLineEvents } from '../engine/remote-loop.js'
import { EngineClosedError, WorkerError } from '../errors.js'
import type { PullProgress } from '../hub/download-progress.js'
import type { SmallFile } from './file-selection.js'
import type { PageMessage, WorkerMessage, WorkerStart } from './worker-messages.js'

/** The Worker, or what does as one. */
export interface WorkerPort {
  /** @param transfer what the page gives away with it. */
  post(message: PageMessage, transfer?: Transferable[]): void
  terminate(): void
}

export interface WorkerPortEvents {
  message(message: WorkerMessage): void
  /** Its script failed, or could not be loaded. */
  error(reason: string): void
}

/** Starts a Worker. */
export type SpawnWorker = (events: WorkerPortEvents) => WorkerPort

/** Calls `onFree` when nobody holds a lock any more; gives what ends the wait. */
export type WatchLock = (name: string, onFree: () => void) => () => void

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export interface EngineWorkerOptions {
  readonly spawn: SpawnWorker
  readonly watchLock: WatchLock
  readonly start: WorkerStart
  readonly onDownload: (progress: PullProgress) => void
  /** It has ended. */
  readonly onLost: (error: Error) => void
}

export class EngineWorker {
  /** Those of the tokenizer, and perhaps others. */
  readonly textFiles: Promise<readonly SmallFile[]>
  readonly #port: WorkerPort
  readonly #onDownload: (progress: PullProgress) => void
  readonly #watchLock: WatchLock
  readonly #lock: string
  readonly #onLost: (error: Error) => void
  #unwatch: () => void = () => {}
  #line: LoopLineEvents | undefined
  /** Reports that came before anybody listened. */
  #early: LoopReport[] = []
  #gone: Error | undefined
  #filesCame!: Waiting

  constructor({ spawn, watchLock, start, onDownload, onLost }: EngineWorkerOptions) {
    this.#onDownload = onDownload
    this.#onLost = onLost
    this.#watchLock = watchLock
    this.#lock = start.lock
    this.textFiles = new Promise((resolve, reject) => {
      this.#filesCame = { resolve: resolve as (value: unknown) => void, reject }
    })
    this.textFiles.catch(() => {}) // heard of where it is waited for
    this.#port = spawn({
      message: message => this.#hear(message),
      error: reason => this.fail(new WorkerError(`The Worker of this engine failed: ${reason}`)),
    })
    this.#port.post({ kind: 'start', start })
  }

  /** Hands the compiled module over. */
  give(
    { module, build }: { readonly module: WebAssembly.Module; readonly build: BuildName },
    threads: number | undefined,
  ): void {
    this.#post({ kind: 'module', module, build, ...(threads !== undefined && { threads }) })
  }

  connect(events: LoopLineEvents): LoopLine {
    this.#line = events
    const early = this.#early
    this.#early = []
    // Not before the caller has the line.
    queueMicrotask(() => {
      for (const report of early) events.report(report)
      if (this.#gone !== undefined) events.lost(this.#gone)
    })
    return {
      send: commands => this.#post({ kind: 'commands', commands }),
      soon: work => queueMicrotask(work),
      hold: () => {}, // a page lives as long as its tab
      end: async () => this.end(),
    }
  }

  /** Stops loading; the Worker keeps what it has downloaded, and ends. */
  cancel(error: Error): void {
    if (this.#gone !== undefined) return
    this.#post({ kind: 'cancel' })
    const port = this.#port
    this.#lose(error)
    setTimeout(() => port.terminate(), CANCEL_MS)
  }

  /** Nothing can come of it any more. */
  fail(error: Error): void {
    if (this.#gone !== undefined) return
    this.#lose(error)
    this.#port.terminate()
  }

  end(): void {
    this.fail(new EngineClosedError())
  }

  #post(message: PageMessage): void {
    if (this.#gone === undefined) this.#port.post(message)
  }

  #hear(message: WorkerMessage): void {
    if (this.#gone !== undefined) return
    switch (message.kind) {
      case 'locked':
        this.#unwatch = this.#watchLock(this.#lock, () => {
          this.fail(new WorkerError('The Worker of this engine ended: the browser stopped it, or its memory gave out.'))
        })
        break
      case 'download':
        this.#onDownload(message.progress)
        break
      case 'text-files':
        this.#filesCame.resolve(message.files)
        break
      case 'report':
        if (this.#line === undefined) this.#early.push(message.report)
        else this.#line.report(message.report)
        break
      case 'failed':
        this.fail(fromPortable(message.error))
    }
  }

  #lose(error: Error): void {
    this.#gone = error
    this.#unwatch()
    this.#filesCame.reject(error)
    this.#line?.lost(error)
    this.#onLost(error)
  }
}

/** Time for a Worker that stops loading to write down what it has. */
const CANCEL_MS = 3000
