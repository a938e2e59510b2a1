// The one loop: schedule, execute, sample, update. It knows ids and typed arrays; no text, no promise per request.
// It runs while there is work and sleeps else. Only this file calls `schedule`.

import type { Admission, Core, CoreRequest, HostSampler, SampledStep, StepOutput } from '../binding/index.js'
import type { WorkerError } from '../errors.js'
import type { Executor } from '../executor/index.js'
import type { InputBatch } from '../plugin/input-batch.js'

/** What the loop tells: called between steps, on the loop's thread. Arrays are valid during the call only. */
export interface LoopListener {
  /** These sequences are in the step that begins now. */
  scheduled(sequenceIds: Int32Array): void
  /** A step is done; `sampled` is there if the host sampled it. */
  stepped(batch: InputBatch, output: StepOutput, sampled: SampledStep | undefined): void
  /** These sequences have ended because of `cause`: their step failed. */
  failed(sequenceIds: Iterable<number>, cause: unknown): void
  /** The worker is lost, and with it the KV cache and every sequence of the core; another is being started. */
  lost(cause: WorkerError): void
  /** There is a worker again, with an empty cache. */
  restarted(): void
  /** The loop itself cannot go on: every request is lost. */
  broke(cause: unknown): void
}

/** A step may be over before the event loop has turned; at most so long it is kept from turning. */
const LONGEST_HOLD_MS = 2

const noTokens = new Int32Array(0)

export class EngineLoop {
  readonly #core: Core
  readonly #sampler: HostSampler
  readonly #executor: Executor
  readonly #listener: LoopListener
  /** Sequences that the host sampler knows. */
  readonly #hostSampled = new Set<number>()
  /** Known to the host sampler and over, but in the step in flight, perhaps. */
  readonly #leaving: number[] = []
  /** Sequences of the core. */
  readonly #live = new Set<number>()
  #inFlight = false
  #logits = new Float32Array(0)
  #running: Promise<void> | undefined
  #stopped = false
  #paused = false
  #lastTurn = 0

  constructor(core: Core, sampler: HostSampler, executor: Executor, listener: LoopListener) {
    this.#core = core
    this.#sampler = sampler
    this.#executor = executor
    this.#listener = listener
  }

  /** Takes a request; requests that come in one tick begin in one step. @throws PromptError, InvalidArgumentError. */
  add(request: CoreRequest, hostSampling: boolean): Admission {
    const admission = this.#core.add(request)
    const { first, count } = admission
    if (hostSampling) {
      try {
        this.#sampler.add(first, count, request.sampling, request.promptTokenIds)
      } catch (error) {
        for (let id = first; id < first + count; id += 1) this.#core.abort(id)
        throw error
      }
      for (let id = first; id < first + count; id += 1) this.#hostSampled.add(id)
    }
    for (let id = first; id < first + count; id += 1) this.#live.add(id)
    this.#wake()
    return admission
  }

  /** Ends a sequence in whatever state it is; it is heard of no more. */
  abort(sequenceId: number): void {
    this.#core.abort(sequenceId)
    this.#forget(sequenceId)
  }

  /** No step begins until `resume`; resolves when none is in flight. */
  async pause(): Promise<void> {
    this.#paused = true
    await this.#running
  }

  resume(): void {
    this.#paused = false
    if (this.#core.hasUnfinished()) this.#wake()
  }

  /** Resolves when nothing is left to run. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Ends the loop after the step in flight. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  #wake(): void {
    if (this.#stopped || this.#paused) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      if (!this.#stopped && this.#core.hasUnfinished()) this.#wake()
    })
  }

  async #run(): Promise<void> {
    try {
      await this.#turn()
      while (!this.#stopped && !this.#paused && (await this.#step())) {
        if (performance.now() - this.#lastTurn > LONGEST_HOLD_MS) await this.#turn()
      }
    } catch (cause) {
      this.#stopped = true
      this.#listener.broke(cause)
    }
  }

  /** Lets timers, sockets and other callbacks run. */
  async #turn(): Promise<void> {
    await new Promise<void>(resolve => setImmediate(resolve))
    this.#lastTurn = performance.now()
  }

  /** One step. False if there was nothing to run. */
  async #step(): Promise<boolean> {
    const batch = this.#core.schedule()
    if (batch === undefined) return false
    this.#inFlight = true
    this.#listener.scheduled(batch.sequenceIds)
    let sampled: SampledStep | undefined
    let output: StepOutput
    try {
      const drawn = await this.#execute(batch)
      if (drawn.byHost) sampled = drawn
      output = this.#core.update(batch.stepId, drawn.counts, drawn.tokenIds)
    } catch (cause) {
      const ended = this.#core.failStep(batch.stepId)
      const lost = this.#executor.restarts ? this.#executor.lost : undefined
      if (lost === undefined) this.#listener.failed(ended.sequences, cause)
      else this.#lose(lost)
      this.#settle(ended)
      if (lost !== undefined) await this.#restart()
      return true
    }
    this.#listener.stepped(batch, output, sampled)
    this.#settle(output)
    return true
  }

  #lose(cause: WorkerError): void {
    for (const id of [...this.#live]) this.abort(id)
    this.#listener.lost(cause)
  }

  async #restart(): Promise<void> {
    await this.#executor.restart()
    this.#core.resetPrefixCache()
    if (!this.#stopped) this.#listener.restarted()
  }

  /** Runs the batch on the device; draws on the host what the device did not. */
  async #execute(batch: InputBatch): Promise<SampledStep & { readonly byHost: boolean }> {
    const logits = this.#logitsFor(batch)
    const output = await this.#executor.execute(batch, logits)
    if (output.kind === 'tokens') return { ...output, byHost: false }
    if (batch.numLogits === 0) return { counts: new Int32Array(batch.numRows), tokenIds: noTokens, byHost: false }
    return { ...(await this.#sampler.sample(batch, logits)), byHost: true }
  }

  /** Room for the step's logits: one buffer, made longer when a step needs it. */
  #logitsFor({ numLogits }: InputBatch): Float32Array {
    const { modelInfo, limits, logitsMemory } = this.#executor
    if (logitsMemory !== undefined) return logitsMemory
    const length = numLogits * modelInfo.vocabSize
    if (length > this.#logits.length) {
      this.#logits = new Float32Array(
        Math.min(2 * length, Math.max(length, limits.maxLogitsRows * modelInfo.vocabSize)),
      )
    }
    return this.#logits
  }

  /** No step is in flight: the sampler may forget who has ended. */
  #settle({ sequences, finishReasons }: StepOutput): void {
    this.#inFlight = false
    for (const [index, id] of sequences.entries()) {
      if (finishReasons[index] !== 0) this.#forget(id)
    }
    for (const id of this.#leaving.splice(0)) this.#sampler.remove(id)
  }

  #forget(sequenceId: number): void {
    this.#live.delete(sequenceId)
    if (!this.#hostSampled.delete(sequenceId)) return
    if (this.#inFlight) this.#leaving.push(sequenceId)
    else this.#sampler.remove(sequenceId)
  }
}
