// The process of one rank: started in a group of its own, watched, and killed with all that it started. It knows calls by
// name only.

import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { WorkerError } from 'quire-llm/plugin'
import { Connection } from './connection.js'
import type { Message } from './frame.js'
import { Rendezvous } from './rendezvous.js'
import { StderrTail } from './stderr-tail.js'

/** How long a worker may take, in milliseconds. */
export interface Timeouts {
  /** From start to handshake. */
  readonly handshakeMs: number
  /** One step, but for the time that it spends compiling. */
  readonly stepMs: number
  /** Between two signs of life while a call waits: compilers that lock the interpreter may be silent for long. */
  readonly heartbeatMs: number
  /** For an orderly end. */
  readonly closeMs: number
}

export const defaultTimeouts: Timeouts = { handshakeMs: 60_000, stepMs: 60_000, heartbeatMs: 120_000, closeMs: 5_000 }

/** What is started, and how long it may take. */
export interface WorkerProcessOptions {
  /** Of the framework, for messages. */
  readonly name: string
  /** The interpreter. */
  readonly python: string
  /** All that the process sees; PYTHONPATH leads to `quire_worker`. */
  readonly env: Readonly<Record<string, string>>
  /** Default: a minute for the handshake and for a step, two without a sign of life, five seconds for the end. */
  readonly timeouts?: Partial<Timeouts>
}

/** What a worker tells of itself every two seconds. */
export interface Heartbeat {
  /** What it does: the name of a call, or of a part of one. */
  readonly phase: string
  /** For how long. */
  readonly seconds: number
  /** Number of the step that it computes. */
  readonly step?: number
}

/** How long a process that closed its connection may take to end, so that its exit can be told. */
const EXIT_MS = 1_000
/** How long its last words may take to arrive after that. */
const LAST_WORDS_MS = 200
/** How often the watchdog looks. */
const TICK_MS = 500

/** What ends the groups of all workers that live. */
const living = new Set<() => void>()
process.once('exit', () => {
  for (const killGroup of living) killGroup()
})

/** The Python process of one rank: started, watched, ended. */
export class WorkerProcess {
  /** Its process id. */
  readonly pid: number
  readonly #name: string
  readonly #child: ChildProcess
  readonly #stderr: StderrTail
  readonly #timeouts: Timeouts
  readonly #exited: Promise<void>
  readonly #drained: Promise<void>
  #connection: Connection | undefined
  #watchdog: NodeJS.Timeout | undefined
  /** Milliseconds of this process awake since the last sign of life, and since the oldest call got the worker's attention. */
  #silentMs = 0
  #stepMs = 0
  #lastTick = 0
  #answeredAtLastTick = 0
  #heartbeat: Heartbeat | undefined
  #ending = false
  #closed: Promise<void> | undefined
  readonly #killGroup = (): void => {
    if (!living.delete(this.#killGroup)) return
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // Nobody of the group lives.
    }
  }

  private constructor(child: ChildProcess, options: WorkerProcessOptions) {
    this.pid = child.pid as number
    this.#name = options.name
    this.#child = child
    this.#stderr = new StderrTail(child)
    this.#timeouts = { ...defaultTimeouts, ...options.timeouts }
    this.#exited = new Promise(resolve => child.once('exit', () => resolve()))
    this.#drained = new Promise(resolve => child.once('close', () => resolve()))
    living.add(this.#killGroup)
    child.once('exit', () => {
      this.#killGroup() // the group outlives its leader
      void this.#lose('ended')
    })
  }

  /** Starts the process and shakes hands. @throws WorkerError with its last words if it does not come up. */
  static async start(options: WorkerProcessOptions): Promise<WorkerProcess> {
    const { name, python, env } = options
    const rendezvous = await Rendezvous.open(env.TMPDIR || tmpdir())
    try {
      const args = ['-m', 'quire_worker', '--parent', String(process.pid), ...rendezvous.args]
      const child = spawn(python, args, { detached: true, env, stdio: ['pipe', 'ignore', 'pipe'] })
      const spawned = new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
      await spawned.catch(cause => {
        throw new WorkerError(`The ${name} worker cannot be started: ${(cause as Error).message}`, { cause })
      })
      const worker = new WorkerProcess(child, options)
      await worker.#shakeHands(rendezvous)
      return worker
    } finally {
      await rendezvous.close()
    }
  }

  /** Calls and posts. */
  get connection(): Connection {
    return this.#connection as Connection
  }

  /** What the worker last said that it does. */
  get heartbeat(): Heartbeat | undefined {
    return this.#heartbeat
  }

  /** Kills the worker because of what it did, and gives the error that every call ends with. */
  condemn(reason: string): WorkerError {
    this.#ending = true
    this.#killGroup()
    const error = this.#lossOf(reason)
    this.#connection?.fail(error)
    this.#release()
    return error
  }

  /** Ends the worker: in order if it answers, at once else. Every call after it fails with EngineClosedError. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (!this.#ending && this.#connection !== undefined) {
      this.#ending = true
      const answered = this.#connection.call('shutdown', {}, () => {}).catch(() => {})
      const controller = new AbortController()
      await Promise.race([answered, this.#exited, wait(this.#timeouts.closeMs, controller.signal)])
      controller.abort()
    }
    this.#ending = true
    this.#killGroup()
    this.#connection?.close()
    this.#release()
    const controller = new AbortController()
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await Promise.race([this.#exited, wait(EXIT_MS, controller.signal)])
    }
    controller.abort()
  }

  async #shakeHands(rendezvous: Rendezvous): Promise<void> {
    const { stdin } = this.#child
    stdin?.on('error', () => {}) // the process ended before it read; its exit tells more
    stdin?.write(`${rendezvous.token}\n`)
    const controller = new AbortController()
    const tooLate = wait(this.#timeouts.handshakeMs, controller.signal).then(
      () => `said nothing for ${seconds(this.#timeouts.handshakeMs)} after its start`,
    )
    const outcome = await Promise.race([
      rendezvous.hello.catch((error: Error) => error.message),
      this.#exited.then(() => undefined),
      tooLate,
    ])
    controller.abort()
    if (outcome === undefined || typeof outcome === 'string') {
      this.#ending = true
      if (outcome !== undefined) this.#killGroup()
      await Promise.race([this.#drained, wait(LAST_WORDS_MS)])
      this.#release()
      throw this.#lossOf(outcome ?? `${this.#exit('ended')} before it said hello`)
    }
    this.#connection = new Connection(outcome, {
      onEvent: message => this.#hear(message),
      onBusy: () => {
        this.#silentMs = 0
        this.#stepMs = 0
      },
      onBroken: reason => void this.#lose(reason, reason !== Connection.CLOSED),
    })
    rendezvous.welcome(outcome)
    this.#stderr.unref()
    this.#child.unref()
    this.#lastTick = performance.now()
    this.#watchdog = setInterval(() => this.#watch(), Math.min(TICK_MS, this.#timeouts.stepMs / 4)).unref()
  }

  #hear(message: Message): void {
    if (message.event !== 'heartbeat' || typeof message.phase !== 'string') return
    this.#heartbeat = message as unknown as Heartbeat
    this.#silentMs = 0
    if (message.phase === 'compiling') this.#stepMs = 0
  }

  /** Counts only time in which this process was awake and would have heard: a laptop may sleep, an event loop may be held up. */
  #watch(): void {
    const now = performance.now()
    const elapsed = Math.min(now - this.#lastTick, 2 * TICK_MS)
    this.#lastTick = now
    const { connection } = this
    const [oldest] = connection.waiting
    if (oldest === undefined || this.#ending) return
    if (connection.numAnswered !== this.#answeredAtLastTick) {
      this.#answeredAtLastTick = connection.numAnswered
      this.#stepMs = 0
      this.#silentMs = 0
    }
    this.#stepMs += elapsed
    this.#silentMs += elapsed
    const { stepMs, heartbeatMs } = this.#timeouts
    const isCompiling = this.#heartbeat?.phase === 'compiling' && this.#silentMs < heartbeatMs
    if (oldest === 'execute' && this.#stepMs >= stepMs && !isCompiling) {
      void this.#lose(`did not answer a step within ${seconds(stepMs)} (QUIRE_STEP_TIMEOUT_MS)`, true)
    } else if (this.#silentMs >= heartbeatMs) {
      void this.#lose(`hangs: it gave no sign of life for ${seconds(heartbeatMs)}`, true)
    }
  }

  /** The worker is lost: every call fails, with its last words. */
  async #lose(reason: string, isGuilty = false): Promise<void> {
    if (this.#ending) return
    this.#ending = true
    if (isGuilty) this.#killGroup()
    await Promise.race([this.#exited, wait(EXIT_MS)])
    this.#killGroup()
    await Promise.race([this.#drained, wait(LAST_WORDS_MS)])
    this.#connection?.fail(this.#lossOf(isGuilty ? reason : this.#exit(reason)))
    this.#release()
  }

  #exit(otherwise: string): string {
    const { exitCode, signalCode } = this.#child
    if (signalCode === 'SIGKILL') return 'was killed by SIGKILL (by a person, or by the system for want of memory)'
    if (signalCode !== null) return `was killed by ${signalCode}`
    return exitCode === null ? otherwise : `exited with code ${exitCode}`
  }

  #lossOf(reason: string): WorkerError {
    const { exitCode, signalCode } = this.#child
    const [call] = this.#connection?.waiting ?? []
    const stderr = this.#stderr.text
    const during = call === undefined ? '' : ` during ${call}`
    const words = stderr === '' ? '' : `\nIts last words:\n${StderrTail.quote(stderr)}`
    return new WorkerError(`The ${this.#name} worker (process ${this.pid}) ${reason}${during}.${words}`, {
      details: { pid: this.pid, exitCode, signal: signalCode, stderr, ...(call !== undefined && { call }) },
    })
  }

  #release(): void {
    clearInterval(this.#watchdog)
    this.#child.stdin?.destroy()
  }
}

/** Nothing after `ms`, or when told to wait no longer. */
async function wait(ms: number, signal?: AbortSignal): Promise<undefined> {
  await delay(ms, undefined, signal && { signal }).catch(() => {})
  return undefined
}

function seconds(ms: number): string {
  return `${ms / 1000} s`
}
