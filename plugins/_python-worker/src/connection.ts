// Requests and replies over one stream. Calls are answered in order; a post is a call that nobody waits for, whose error
// comes out of the next call. Whatever breaks the protocol breaks the connection, for good.

import type { Socket } from 'node:net'
import { EngineClosedError, type EngineError, InternalError, WorkerError } from 'quire-llm/plugin'
import { encodeFrame, FrameReader, type Message } from './frame.js'
import { errorOf } from './worker-failure.js'

/** What a call was answered with. */
export type Reply = Message

/** A call that is not answered yet. */
interface Pending {
  readonly call: string
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
  readonly onProgress: ((fraction: number) => void) | undefined
}

/** Who hears what is no answer. */
export interface ConnectionHandlers {
  /** A message that answers nothing: a heartbeat. */
  onEvent(message: Message): void
  /** The first call is waiting: somebody should watch. */
  onBusy(): void
  /** The worker spoke nonsense, or the stream ended. */
  onBroken(reason: string): void
}

/** Calls to a worker over its socket, answered in their order. */
export class Connection {
  /** The reason that `onBroken` gets where the worker merely left. */
  static readonly CLOSED = 'closed the connection'
  readonly #socket: Socket
  readonly #handlers: ConnectionHandlers
  readonly #reader = new FrameReader()
  /** In the order in which they were sent. */
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #numAnswered = 0
  /** What a post failed with. */
  #deferred: EngineError | undefined
  #failure: EngineError | undefined

  constructor(socket: Socket, handlers: ConnectionHandlers) {
    this.#socket = socket
    this.#handlers = handlers
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', () => handlers.onBroken(Connection.CLOSED)) // reset by a process that died
    socket.on('close', () => handlers.onBroken(Connection.CLOSED))
    socket.unref()
  }

  /** Calls that were answered. */
  get numAnswered(): number {
    return this.#numAnswered
  }

  /** Names of the calls that are not answered yet, the oldest first. */
  get waiting(): readonly string[] {
    return [...this.#pending.values()].map(({ call }) => call)
  }

  /**
   * One round trip. `convert` makes the result; what it throws, the call throws.
   * @throws the error that the worker answered with, or that an earlier post met; WorkerError if the worker is lost.
   */
  call<T>(
    call: string,
    params: Message,
    convert: (reply: Reply) => T,
    onProgress?: (fraction: number) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (reply: Reply): void => {
        const deferred = this.#deferred
        this.#deferred = undefined
        try {
          if (deferred !== undefined) throw deferred
          if (reply.error !== undefined) throw errorOf(reply.error)
          resolve(convert(reply))
        } catch (error) {
          reject(error)
        }
      }
      this.#send(params, { call, resolve: settle, reject, onProgress })
    })
  }

  /** A call whose answer nobody awaits: what it fails with, the next call throws. */
  post(call: string, params: Message): void {
    const resolve = (reply: Reply): void => {
      if (reply.error !== undefined) this.#deferred ??= errorOf(reply.error)
    }
    this.#send(params, { call, resolve, reject: () => {}, onProgress: undefined })
  }

  /** Ends every call, now and later, with `error`. */
  fail(error: EngineError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#socket.destroy()
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(error)
  }

  /** No call is possible any more. */
  close(): void {
    this.fail(new EngineClosedError('The worker is closed.'))
  }

  #send(params: Message, pending: Pending): void {
    if (this.#failure !== undefined) {
      pending.reject(this.#failure)
      return
    }
    this.#lastId += 1
    const id = this.#lastId
    let frame: Buffer
    try {
      frame = encodeFrame({ id, call: pending.call, ...params })
    } catch (cause) {
      pending.reject(new InternalError(`The call ${pending.call} cannot be sent`, { cause }))
      return
    }
    this.#pending.set(id, pending)
    if (this.#pending.size === 1) {
      this.#socket.ref()
      this.#handlers.onBusy()
    }
    this.#socket.write(frame)
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#reader.read(chunk)) {
        this.#take(message)
        if (this.#failure !== undefined) return
      }
    } catch (error) {
      this.#handlers.onBroken(`spoke nonsense: ${(error as Error).message}`)
    }
  }

  #take(message: Message): void {
    if (message.event === 'progress') {
      if (typeof message.fraction === 'number') this.#pending.get(message.id as number)?.onProgress?.(message.fraction)
      return
    }
    if (message.event !== undefined) {
      this.#handlers.onEvent(message)
      return
    }
    const [oldest] = this.#pending
    if (oldest === undefined || oldest[0] !== message.id) {
      const expected = oldest === undefined ? 'none' : `${oldest[1].call} (${oldest[0]})`
      throw new Error(`it answered call ${String(message.id)}, expected ${expected}`)
    }
    this.#pending.delete(oldest[0])
    this.#numAnswered += 1
    if (this.#pending.size === 0) this.#socket.unref()
    oldest[1].resolve(message)
  }
}

/** A field of a reply that must be there. @throws WorkerError. */
export function field<T extends 'string' | 'number' | 'boolean'>(
  reply: Message,
  name: string,
  type: T,
): { string: string; number: number; boolean: boolean }[T] {
  const value = reply[name]
  if (typeof value !== type) throw new WorkerError(`The worker answered without ${name}.`)
  return value as { string: string; number: number; boolean: boolean }[T]
}
