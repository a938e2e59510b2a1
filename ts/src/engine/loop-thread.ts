// The loop in a thread of its own, as the requests' thread sees it. The thread that serves sockets runs no steps.

import { extname } from 'node:path'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { CoreStats } from '../binding/index.js'
import { unpackedUrl } from '../config/unpacked-path.js'
import { InternalError, NotSupportedError, WorkerError } from '../errors.js'
import type { Framework } from '../plugin/framework.js'
import type { EmbedJob } from './embed-queue.js'
import type { LoopRequest } from './engine-request.js'
import {
  type LoopCalls,
  type LoopCommand,
  type LoopEvent,
  type LoopReport,
  type LoopThreadData,
  unpackStep,
} from './loop-messages.js'
import type { AdmissionAnswer, LoopEvents, LoopFacts, LoopPort } from './loop-port.js'
import { fromPortable } from './portable-error.js'

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Milliseconds after which this thread, however busy with requests, tells the loop of them and hears from it. */
const TURN_MS = 1
/** Reports that are heard in such a pause, at most: requests go on after it. */
const REPORTS_A_TURN = 8

export class LoopThread implements LoopPort {
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #events: LoopEvents
  readonly #framework: string
  readonly #answers = new Map<number, AdmissionAnswer>()
  readonly #calls = new Map<number, Waiting>()
  #commands: LoopCommand[] = []
  #firstCommandMs = 0
  #turnIsDue = false
  #facts: LoopFacts | undefined
  #stats: CoreStats | undefined
  #lastNumber = 0
  #held = true
  #ready: Waiting | undefined
  #onProgress: (fraction: number) => void = () => {}
  #gone: Error | undefined
  #closing: Promise<void> | undefined

  private constructor(data: LoopThreadData, events: LoopEvents) {
    this.#events = events
    this.#framework = data.framework
    const entry = unpackedUrl(new URL(`./loop-thread-entry${extname(import.meta.url)}`, import.meta.url))
    const { port1, port2: port } = new MessageChannel()
    this.#port = port1
    this.#worker = new Worker(entry, {
      name: 'quire loop',
      workerData: { ...data, port },
      transferList: [port],
      ...flagsForThread(process.execArgv),
    })
    this.#port.on('message', (report: LoopReport) => this.#take(report))
    this.#port.unref()
    this.#worker.on('error', (cause: unknown) => this.#lose(asError(cause)))
    this.#worker.on('exit', code => {
      // What it said last may be why it ended.
      this.#hearWaiting(Number.POSITIVE_INFINITY)
      this.#lose(new InternalError(`The thread of the loop ended with code ${code}.`))
    })
  }

  /** Starts the thread and brings the model up there. @throws as `LoopHost.create`. */
  static async create(
    data: LoopThreadData,
    events: LoopEvents,
    onProgress: (fraction: number) => void,
  ): Promise<LoopThread> {
    const thread = new LoopThread(data, events)
    thread.#onProgress = onProgress
    await new Promise<unknown>((resolve, reject) => {
      thread.#ready = { resolve, reject }
    })
    thread.hold(false)
    return thread
  }

  get facts(): LoopFacts {
    if (this.#facts === undefined) throw new InternalError('The thread of the loop is not up.')
    return this.#facts
  }

  get framework(): Framework {
    throw new NotSupportedError(
      `This engine's loop and its framework live in another thread. \`await useFramework('${this.#framework}')\` gives this thread one of its own.`,
    )
  }

  /** Whether somebody waits for it: keeps the process alive. */
  hold(keepAlive: boolean): void {
    this.#held = keepAlive
    if (keepAlive || this.#calls.size > 0) this.#worker.ref()
    else this.#worker.unref()
  }

  add(request: LoopRequest, answer: AdmissionAnswer): void {
    if (this.#gone !== undefined) {
      answer.refused(this.#gone)
      return
    }
    this.#lastNumber += 1
    this.#answers.set(this.#lastNumber, answer)
    this.#send({ kind: 'add', ticket: this.#lastNumber, request })
  }

  abort(sequenceIds: readonly number[]): void {
    this.#send({ kind: 'abort', sequenceIds })
  }

  embed(job: EmbedJob, signal: AbortSignal): Promise<Float32Array> {
    return this.#call('embed', job, signal)
  }

  stats(): CoreStats {
    if (this.#stats === undefined) throw new InternalError('The thread of the loop is not up.')
    return this.#stats
  }

  resetPrefixCache(): Promise<boolean> {
    return this.#call('resetPrefixCache', undefined)
  }

  async pause(): Promise<void> {
    await this.#call('pause', undefined)
  }

  resume(): void {
    this.#send({ kind: 'resume' })
  }

  async idle(): Promise<void> {
    await this.#call('idle', undefined)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      if (this.#gone === undefined) await this.#call('close', undefined)
    } finally {
      this.#gone ??= new InternalError('The thread of the loop is closed.')
      await this.#worker.terminate()
      this.#port.close()
    }
  }

  async #call<Name extends keyof LoopCalls>(
    name: Name,
    argument: LoopCalls[Name]['argument'],
    signal?: AbortSignal,
  ): Promise<LoopCalls[Name]['result']> {
    if (this.#gone !== undefined) throw this.#gone
    signal?.throwIfAborted()
    this.#lastNumber += 1
    const id = this.#lastNumber
    const result = new Promise<unknown>((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
    })
    this.hold(this.#held)
    this.#send({ kind: 'call', id, name, argument })
    const cancel = () => this.#send({ kind: 'cancel', id })
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return (await result) as LoopCalls[Name]['result']
    } finally {
      signal?.removeEventListener('abort', cancel)
      this.hold(this.#held)
    }
  }

  /**
   * Commands of one turn of the event loop are one message. Where that turn is long, for many requests have come at once, it is
   * cut into pieces: the first of them run while the last are still read, and what the loop says of them is heard.
   */
  #send(command: LoopCommand): void {
    if (this.#gone !== undefined) return
    const nowMs = performance.now()
    if (this.#commands.length === 0) {
      this.#firstCommandMs = nowMs
      setImmediate(() => this.#flush())
    } else if (!this.#turnIsDue && nowMs - this.#firstCommandMs >= TURN_MS) {
      this.#turnIsDue = true
      // Not here: whoever calls is in the middle of something.
      queueMicrotask(() => this.#turn())
    }
    this.#commands.push(command)
  }

  #turn(): void {
    this.#turnIsDue = false
    this.#flush()
    this.#hearWaiting(REPORTS_A_TURN)
  }

  #hearWaiting(most: number): void {
    for (let count = 0; count < most; count += 1) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      this.#take(received.message as LoopReport)
    }
  }

  #flush(): void {
    if (this.#commands.length === 0) return
    const commands = this.#commands
    this.#commands = []
    this.#port.postMessage(commands)
  }

  #take({ events, stats }: LoopReport): void {
    if (stats !== undefined) this.#stats = stats
    for (const event of events) this.#hear(event)
  }

  #hear(event: LoopEvent): void {
    switch (event.kind) {
      case 'stepped':
        this.#events.stepped(unpackStep(event.step))
        break
      case 'scheduled':
        this.#events.scheduled(event.sequenceIds, event.atMs)
        break
      case 'taken':
        this.#answerOf(event.ticket)?.taken(event.first)
        break
      case 'refused':
        this.#answerOf(event.ticket)?.refused(fromPortable(event.error))
        break
      case 'failed':
        this.#events.failed(event.sequenceIds, fromPortable(event.cause))
        break
      case 'lost':
        this.#events.lost(fromPortable(event.cause) as WorkerError)
        break
      case 'restarted':
        this.#events.restarted()
        break
      case 'broke':
        this.#lose(fromPortable(event.cause))
        break
      case 'progress':
        this.#onProgress(event.fraction)
        break
      case 'ready':
        this.#facts = event.facts
        this.#ready?.resolve(undefined)
        break
      case 'result':
        this.#callOf(event.id)?.resolve(event.value)
        break
      case 'threw':
        this.#callOf(event.id)?.reject(fromPortable(event.error))
    }
  }

  #answerOf(ticket: number): AdmissionAnswer | undefined {
    const answer = this.#answers.get(ticket)
    this.#answers.delete(ticket)
    return answer
  }

  #callOf(id: number): Waiting | undefined {
    const waiting = this.#calls.get(id)
    this.#calls.delete(id)
    return waiting
  }

  /** The loop is gone, with or without its thread: nobody may wait for it. */
  #lose(cause: Error): void {
    if (this.#gone !== undefined) return
    this.#gone = cause
    if (this.#facts === undefined) this.#ready?.reject(cause)
    else this.#events.broke(cause)
    for (const { reject } of this.#calls.values()) reject(cause)
    this.#calls.clear()
    for (const { refused } of this.#answers.values()) refused(cause)
    this.#answers.clear()
    if (this.#closing === undefined) {
      this.#worker.terminate().catch(() => {})
      this.#port.close()
    }
  }
}

/**
 * Flags for a thread of a process that was given its program as text (`node -e`): a thread takes the flags of its process by
 * itself, but would take that program too. Of its flags those that load modules are kept.
 */
function flagsForThread(flags: readonly string[]): { execArgv?: string[] } {
  if (!flags.some(flag => /^(?:-e|-p|-pe|--eval|--print|--input-type=.*)$/.test(flag))) return {}
  const takesValue = /^(?:-r|--require|--import|--loader|--experimental-loader|-C|--conditions)$/
  const kept = flags.filter(
    (flag, at) => takesValue.test(flag.split('=')[0] ?? '') || takesValue.test(flags[at - 1] ?? ''),
  )
  return { execArgv: kept }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new WorkerError(String(cause))
}
