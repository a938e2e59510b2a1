// An engine's Worker as the page sees it: a line to its loop, the files of its tokenizer, and long texts to be tokenized there.
// However it ends, everybody who waits for it hears of it.

import type { BuildName } from '../binding/wasm/builds.js'
import type { LoopReport } from '../engine/loop-messages.js'
import { fromPortable } from '../engine/portable-error.js'
import type { LoopLine, LoopLineEvents } from '../engine/remote-loop.js'
import { EngineClosedError, WorkerError } from '../errors.js'
import type { PullProgress } from '../hub/download-progress.js'
import type { SmallFile } from './file-selection.js'
import type { PageMessage, TextCall, WorkerMessage, WorkerStart } from './worker-messages.js'

/** The Worker, or what does as one. */
export interface WorkerPort {
  post(message: PageMessage): void
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
}

export class EngineWorker {
  /** Those of the tokenizer, and perhaps others. */
  readonly textFiles: Promise<readonly SmallFile[]>
  readonly #port: WorkerPort
  readonly #texts = new Map<number, Waiting>()
  readonly #onDownload: (progress: PullProgress) => void
  readonly #watchLock: WatchLock
  readonly #lock: string
  #unwatch: () => void = () => {}
  #line: LoopLineEvents | undefined
  /** Reports that came before anybody listened. */
  #early: LoopReport[] = []
  #lastId = 0
  #gone: Error | undefined
  #filesCame!: Waiting

  constructor({ spawn, watchLock, start, onDownload }: EngineWorkerOptions) {
    this.#onDownload = onDownload
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

  /** A call of the tokenizer, there. @throws WorkerError. */
  async tokenize(call: TextCall): Promise<unknown> {
    if (this.#gone !== undefined) throw this.#gone
    this.#lastId += 1
    const id = this.#lastId
    return new Promise<unknown>((resolve, reject) => {
      this.#texts.set(id, { resolve, reject })
      this.#post({ kind: 'text', id, call })
    })
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
        break
      case 'text':
        this.#textOf(message.id)?.resolve(message.value)
        break
      case 'text-failed':
        this.#textOf(message.id)?.reject(fromPortable(message.error))
    }
  }

  #textOf(id: number): Waiting | undefined {
    const waiting = this.#texts.get(id)
    this.#texts.delete(id)
    return waiting
  }

  #lose(error: Error): void {
    this.#gone = error
    this.#unwatch()
    this.#filesCame.reject(error)
    for (const { reject } of this.#texts.values()) reject(error)
    this.#texts.clear()
    this.#line?.lost(error)
  }
}

/** Time for a Worker that stops loading to write down what it has. */
const CANCEL_MS = 3000
