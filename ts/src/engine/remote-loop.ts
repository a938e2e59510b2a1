// The loop in another thread, as the requests' thread sees it: calls become commands, reports become events. What kind of
// thread it is, and how messages get there, only its `LoopLine` knows.

import { type CoreStats, coreStatsOf } from '../binding/index.js'
import { InternalError, NotSupportedError, type WorkerError } from '../errors.js'
import type { Framework } from '../plugin/framework.js'
import type { EmbedJob } from './embed-queue.js'
import type { LoopRequest } from './engine-request.js'
import {
  type LoopCalls,
  type LoopCommand,
  type LoopEvent,
  type LoopReport,
  type PackedStep,
  unpackStep,
} from './loop-messages.js'
import type { AdmissionAnswer, LoopEvents, LoopFacts, LoopPort, Withdraw } from './loop-port.js'
import { fromPortable } from './portable-error.js'

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Milliseconds after which this thread, however busy with requests, tells the loop of them and hears from it. */
const TURN_MS = 1
/** Reports that are heard in such a pause, at most: requests go on after it. */
const REPORTS_A_TURN = 8

/** Outputs of which consumers are told one by one in a turn of the event loop. */
const TOLD_A_TURN = 16

/** Events that consumers need not hear of at once. All others come after what they have not heard yet. */
const QUIET: ReadonlySet<LoopEvent['kind']> = new Set(['stepped', 'scheduled', 'taken', 'progress'])

/** A thread with a loop, as a line of messages to it. */
export interface LoopLine {
  send(commands: readonly LoopCommand[]): void
  /** Calls when what this turn of the event loop has begun is over. */
  soon(work: () => void): void
  /** A report that has come and was not heard yet, where it can be had in the middle of a turn. */
  receive?(): LoopReport | undefined
  /** Whether somebody waits for it: keeps the process alive. */
  hold(keepAlive: boolean): void
  /** Ends the thread. */
  end(): Promise<void>
}

/** What a line brings. */
export interface LoopLineEvents {
  report(report: LoopReport): void
  /** The thread is gone; nothing comes any more. */
  lost(cause: Error): void
}

export interface RemoteLoopOptions {
  readonly connect: (events: LoopLineEvents) => LoopLine
  readonly events: LoopEvents
  readonly onProgress: (fraction: number) => void
  /** What gives this thread a framework, for the error of who asks for the loop's. */
  readonly whereFramework?: string
}

export class RemoteLoop implements LoopPort {
  readonly #line: LoopLine
  readonly #events: LoopEvents
  readonly #whereFramework: string
  readonly #answers = new Map<number, AdmissionAnswer>()
  readonly #calls = new Map<number, Waiting>()
  #commands: LoopCommand[] = []
  #firstCommandMs = 0
  #turnIsDue = false
  /** Outputs that were heard of in this turn of the event loop. */
  #heardInTurn = 0
  /** Steps have been heard of that consumers were not told of. */
  #isUntold = false
  #facts: LoopFacts | undefined
  #stats: Float64Array | undefined
  #lastNumber = 0
  #held = true
  #ready: Waiting | undefined
  readonly #onProgress: (fraction: number) => void
  #gone: Error | undefined
  #closing: Promise<void> | undefined

  private constructor({ connect, events, onProgress, whereFramework = '' }: RemoteLoopOptions) {
    this.#events = events
    this.#onProgress = onProgress
    this.#whereFramework = whereFramework
    this.#line = connect({
      report: report => this.#take(report),
      lost: cause => {
        // What it said last may be why it ended.
        this.#hearWaiting(Number.POSITIVE_INFINITY)
        this.#lose(cause)
      },
    })
  }

  /** Starts the thread and waits until the model is up there. @throws as `LoopHost.create`. */
  static async create(options: RemoteLoopOptions): Promise<RemoteLoop> {
    const loop = new RemoteLoop(options)
    await new Promise<unknown>((resolve, reject) => {
      if (loop.#gone !== undefined) reject(loop.#gone)
      loop.#ready = { resolve, reject }
    })
    loop.hold(false)
    return loop
  }

  get facts(): LoopFacts {
    if (this.#facts === undefined) throw new InternalError('The thread of the loop is not up.')
    return this.#facts
  }

  get framework(): Framework {
    const where = "This engine's loop and its framework live in another thread."
    throw new NotSupportedError(`${where} ${this.#whereFramework}`.trim())
  }

  hold(isAwaited: boolean): void {
    this.#held = isAwaited
    this.#line.hold(isAwaited || this.#calls.size > 0)
  }

  add(request: LoopRequest, answer: AdmissionAnswer): Withdraw {
    if (this.#gone !== undefined) {
      answer.refused(this.#gone)
      return () => {}
    }
    this.#lastNumber += 1
    const command: LoopCommand = { kind: 'add', ticket: this.#lastNumber, request }
    this.#answers.set(command.ticket, answer)
    this.#send(command)
    return () => this.#withdraw(command)
  }

  #withdraw(command: LoopCommand & { readonly kind: 'add' }): void {
    const unsent = this.#commands.indexOf(command)
    if (unsent >= 0) {
      this.#commands.splice(unsent, 1)
      this.#answers.delete(command.ticket)
    } else if (this.#answers.has(command.ticket)) {
      this.#send({ kind: 'withdraw', ticket: command.ticket })
    }
  }

  abort(sequenceIds: readonly number[]): void {
    this.#send({ kind: 'abort', sequenceIds })
  }

  embed(job: EmbedJob, signal: AbortSignal): Promise<Float32Array> {
    return this.#call('embed', job, signal)
  }

  stats(): CoreStats {
    if (this.#stats === undefined) throw new InternalError('The thread of the loop is not up.')
    return coreStatsOf(this.#stats)
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
      await this.#line.end()
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
      this.#line.soon(() => this.#flush())
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
      const report = this.#line.receive?.()
      if (report === undefined) return
      this.#take(report)
    }
  }

  #flush(): void {
    if (this.#commands.length === 0) return
    const commands = this.#commands
    this.#commands = []
    this.#line.send(commands)
  }

  #take({ events, stats }: LoopReport): void {
    if (stats !== undefined) this.#stats = stats
    for (const event of events) this.#hear(event)
  }

  #hear(event: LoopEvent): void {
    if (!QUIET.has(event.kind)) this.#tell()
    switch (event.kind) {
      case 'stepped':
        this.#hearStep(event.step)
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

  /**
   * A port gives all reports that lie there in one turn of the event loop. Consumers are told of few outputs one by one, and of
   * many once: where this thread is slower than the loop, deltas join, and it looks at its sockets again soon.
   */
  #hearStep(step: PackedStep): void {
    this.#events.stepped(unpackStep(step))
    this.#isUntold = true
    if (this.#heardInTurn === 0) this.#line.soon(() => this.#endTurn())
    this.#heardInTurn += Math.max(1, step.numSequences)
    if (this.#heardInTurn <= TOLD_A_TURN) this.#tell()
  }

  #endTurn(): void {
    this.#heardInTurn = 0
    this.#tell()
  }

  #tell(): void {
    if (!this.#isUntold) return
    this.#isUntold = false
    this.#events.told()
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
    this.#tell()
    this.#gone = cause
    if (this.#facts === undefined) this.#ready?.reject(cause)
    else this.#events.broke(cause)
    for (const { reject } of this.#calls.values()) reject(cause)
    this.#calls.clear()
    for (const { refused } of this.#answers.values()) refused(cause)
    this.#answers.clear()
    if (this.#closing === undefined) this.#line.end().catch(() => {})
  }
}
