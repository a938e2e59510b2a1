// The Worker that reads an engine's texts, as the page sees it: what the page needs of the tokenizer, and calls of it. However it
// ends, everybody who waits for it hears of it.

import { fromPortable } from '../engine/portable-error.js'
import { EngineClosedError, WorkerError } from '../errors.js'
import type { SpawnWorker, WatchLock, WorkerPort } from './engine-worker.js'
import type { SmallFile } from './file-selection.js'
import type { CompiledModule } from './web-creation.js'
import type { PageMessage, PageText, TextCall, TextStart, WorkerMessage } from './worker-messages.js'

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export interface TextWorkerOptions {
  readonly spawn: SpawnWorker
  readonly watchLock: WatchLock
  readonly start: TextStart
  /** It has ended, and nothing can be read any more. */
  readonly onLost: (error: Error) => void
}

export class TextWorker {
  readonly pageText: Promise<PageText>
  readonly #port: WorkerPort
  readonly #options: TextWorkerOptions
  readonly #calls = new Map<number, Waiting>()
  #unwatch: () => void = () => {}
  #lastId = 0
  #gone: Error | undefined
  #textCame!: Waiting

  constructor(options: TextWorkerOptions) {
    this.#options = options
    this.pageText = new Promise((resolve, reject) => {
      this.#textCame = { resolve: resolve as (value: unknown) => void, reject }
    })
    this.pageText.catch(() => {}) // heard of where it is waited for
    this.#port = options.spawn({
      message: message => this.#hear(message),
      error: reason => this.fail(new WorkerError(`The Worker that reads texts failed: ${reason}`)),
    })
    this.#post({ kind: 'read-texts', start: options.start })
  }

  /** Hands the compiled module over. */
  give({ module, build }: CompiledModule): void {
    this.#post({ kind: 'module', module, build })
  }

  /** Gives the tokenizer's files away. */
  open(files: readonly SmallFile[]): void {
    const buffers = new Set(files.map(({ bytes }) => bytes.buffer))
    this.#post({ kind: 'text-files', files }, [...buffers] as ArrayBuffer[])
  }

  /** A call of the tokenizer, there. @throws what it throws, WorkerError. */
  async call<Result>(call: TextCall): Promise<Result> {
    if (this.#gone !== undefined) throw this.#gone
    this.#lastId += 1
    const id = this.#lastId
    return new Promise<Result>((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#post({ kind: 'text', id, call })
    })
  }

  /** Nothing can come of it any more. */
  fail(error: Error): void {
    if (this.#gone !== undefined) return
    this.#gone = error
    this.#unwatch()
    this.#textCame.reject(error)
    for (const { reject } of this.#calls.values()) reject(error)
    this.#calls.clear()
    this.#port.terminate()
    this.#options.onLost(error)
  }

  end(): void {
    this.fail(new EngineClosedError())
  }

  #post(message: PageMessage, transfer: Transferable[] = []): void {
    if (this.#gone === undefined) this.#port.post(message, transfer)
  }

  #hear(message: WorkerMessage): void {
    if (this.#gone !== undefined) return
    switch (message.kind) {
      case 'locked':
        this.#unwatch = this.#options.watchLock(this.#options.start.lock, () => {
          this.fail(
            new WorkerError('The Worker that reads texts ended: the browser stopped it, or its memory gave out.'),
          )
        })
        break
      case 'page-text':
        this.#textCame.resolve(message.text)
        break
      case 'failed':
        this.fail(fromPortable(message.error))
        break
      case 'text':
        this.#callOf(message.id)?.resolve(message.value)
        break
      case 'text-failed':
        this.#callOf(message.id)?.reject(fromPortable(message.error))
    }
  }

  #callOf(id: number): Waiting | undefined {
    const waiting = this.#calls.get(id)
    this.#calls.delete(id)
    return waiting
  }
}
