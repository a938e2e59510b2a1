// The one loop: schedule, execute, sample, update. It knows ids and typed arrays; no text, no promise per request.
// It runs while there is work and sleeps else. Only this file calls `schedule`.

import type {
  Admission,
  Core,
  CoreRequest,
  FollowOptions,
  Grammar,
  Grammars,
  HostSampler,
  SampledStep,
  StepOutput,
} from '../binding/index.js'
import { EngineClosedError, NotSupportedError, type WorkerError } from '../errors.js'
import type { Executor } from '../executor/index.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type { Drafter } from './drafter.js'
import { EmbedPace } from './embed-pace.js'
import { type EmbedJob, EmbedQueue } from './embed-queue.js'
import { nextTurn } from './next-turn.js'
import type { BoundProcessors } from './processor-registry.js'
import { RowProcessing } from './row-processing.js'

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

/** A compiled grammar that a request's sequences follow, and who knows it. */
export interface Constraint {
  readonly grammars: Grammars
  readonly grammar: Grammar
  readonly follow: FollowOptions
}

/** What steers the draws of a request beside its sampling parameters. */
export interface Steering {
  readonly constraint?: Constraint
  readonly processors?: BoundProcessors
}

/** A step may be over before the event loop has turned; at most so long it is kept from turning. */
const LONGEST_HOLD_MS = 2

const noTokens = new Int32Array(0)

export class EngineLoop {
  readonly #core: Core
  readonly #sampler: HostSampler
  readonly #executor: Executor
  readonly #listener: LoopListener
  /** Absent: no model drafts. */
  readonly #drafter: Drafter | undefined
  /** Sequences that the host sampler knows. */
  readonly #hostSampled = new Set<number>()
  /** Known to the host sampler and over, but in the step in flight, perhaps. */
  readonly #leaving: number[] = []
  /** What waits to be embedded; undefined: the runner cannot. */
  readonly #embeds: EmbedQueue | undefined
  readonly #embedPace: EmbedPace
  /** Sequences of the core. */
  readonly #live = new Set<number>()
  /** Known once a request has asked for a grammar. */
  #grammars: Grammars | undefined
  /** Known once a request has logits processors. */
  #processing: RowProcessing | undefined
  #inFlight = false
  #logits = new Float32Array(0)
  #running: Promise<void> | undefined
  #stopped = false
  #paused = false
  #lastTurn = 0

  constructor(core: Core, sampler: HostSampler, executor: Executor, listener: LoopListener, drafter?: Drafter) {
    this.#core = core
    this.#sampler = sampler
    this.#executor = executor
    this.#listener = listener
    this.#drafter = drafter
    const { pooling } = executor.modelInfo
    this.#embeds = executor.embeds && pooling !== undefined ? new EmbedQueue(pooling) : undefined
    this.#embedPace = new EmbedPace(executor.limits.maxNumBatchedTokens)
  }

  /** Takes a request; requests that come in one tick begin in one step. @throws PromptError, InvalidArgumentError. */
  add(request: CoreRequest, hostSampling: boolean, { constraint, processors }: Steering = {}): Admission {
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
    if (constraint !== undefined) {
      this.#grammars = constraint.grammars
      this.#grammars.add(first, count, constraint.grammar, constraint.follow)
    }
    if (processors !== undefined) {
      this.#processing ??= new RowProcessing(this.#sampler, this.#executor.modelInfo.vocabSize)
      this.#processing.add(first, count, request.promptTokenIds, processors)
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

  /** Vectors or scores of sequences, computed between steps. @throws NotSupportedError; what the runner throws. */
  async embed(job: EmbedJob, signal: AbortSignal | undefined): Promise<Float32Array> {
    if (this.#embeds === undefined) throw new NotSupportedError('The framework that runs this model does not embed.')
    if (this.#stopped) throw new EngineClosedError()
    const results = this.#embeds.add(job, signal)
    this.#wake()
    return results
  }

  /** No step begins until `resume`; resolves when none is in flight. */
  async pause(): Promise<void> {
    this.#paused = true
    await this.#running
  }

  resume(): void {
    this.#paused = false
    if (this.#hasWork()) this.#wake()
  }

  /** Resolves when nothing is left to run. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Ends the loop after the step in flight. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#embeds?.failAll(new EngineClosedError())
    await this.#running
  }

  #wake(): void {
    if (this.#stopped || this.#paused) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      if (!this.#stopped && this.#hasWork()) this.#wake()
    })
  }

  async #run(): Promise<void> {
    try {
      await this.#turn()
      while (!this.#stopped && !this.#paused && (await this.#round())) {
        // A step that keeps this thread lets nothing in; else the event loop has turned at least once until it was over.
        if (this.#executor.holdsThread || performance.now() - this.#lastTurn > LONGEST_HOLD_MS) await this.#turn()
      }
    } catch (cause) {
      this.#stopped = true
      this.#embeds?.failAll(cause)
      this.#listener.broke(cause)
    }
  }

  /** Lets timers, sockets and other callbacks run. */
  async #turn(): Promise<void> {
    await nextTurn()
    this.#lastTurn = performance.now()
  }

  #hasWork(): boolean {
    return this.#core.hasUnfinished() || this.#embeds?.isEmpty === false
  }

  /** A step, and between two of them a call of `embed`. False if there was nothing to run. */
  async #round(): Promise<boolean> {
    const stepped = await this.#step()
    const embedded = await this.#embed(stepped)
    return stepped || embedded
  }

  async #embed(stepsRun: boolean): Promise<boolean> {
    if (this.#embeds === undefined || this.#stopped) return false
    const call = this.#embeds.next(this.#embedPace.budgetTokens(stepsRun))
    if (call === undefined) return false
    const began = performance.now()
    try {
      const out = new Float32Array(call.outLength)
      await this.#executor.embed(call.batch, out)
      this.#embeds.done(call, out)
      this.#embedPace.took(call.numTokens, performance.now() - began)
    } catch (cause) {
      this.#embeds.failed(call, cause)
    }
    return true
  }

  /** One step. False if there was nothing to run. */
  async #step(): Promise<boolean> {
    const began = performance.now()
    await this.#drafter?.run()
    const batch = this.#core.schedule()
    if (batch === undefined) return false
    this.#inFlight = true
    this.#listener.scheduled(batch.sequenceIds)
    let sampled: SampledStep | undefined
    let output: StepOutput
    try {
      const drawn = await this.#execute(batch)
      if (drawn.byHost) sampled = drawn
      output = this.#core.update(batch.stepId, drawn.counts, drawn.tokenIds, drawn.numForced)
    } catch (cause) {
      const ended = this.#core.failStep(batch.stepId)
      const lost = this.#executor.restarts ? this.#executor.lost : undefined
      if (lost === undefined) this.#listener.failed(ended.sequences, cause)
      else this.#lose(lost)
      this.#settle(ended)
      if (lost !== undefined) await this.#restart()
      return true
    }
    this.#drafter?.took(batch, output.tokenIds.length, performance.now() - began)
    // Before the step is told: what ends with an error is not heard of as a failure of the model.
    for (const { sequenceId, error } of this.#grammars?.takeFailures() ?? []) this.#listener.failed([sequenceId], error)
    for (const { sequenceId, error } of this.#processing?.takeFailures() ?? [])
      this.#listener.failed([sequenceId], error)
    this.#processing?.took(output)
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
    const grammars = this.#grammars?.hold(batch) ? this.#grammars : undefined
    // The last token of every sequence is known: the masks of this step are made while the device runs it.
    const masks = grammars?.prepare(batch)
    const execution = this.#executor.execute(batch, logits)
    const output = await (masks === undefined ? execution : execution.finally(() => masks))
    if (output.kind === 'tokens') return { ...output, byHost: false }
    if (batch.numLogits === 0) return { counts: new Int32Array(batch.numRows), tokenIds: noTokens, byHost: false }
    this.#processing?.run(batch, logits, grammars)
    return { ...(await this.#sampler.sample(batch, logits, grammars)), byHost: true }
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
    for (const id of this.#leaving.splice(0)) this.#drop(id)
  }

  #drop(sequenceId: number): void {
    this.#sampler.remove(sequenceId)
    this.#grammars?.remove(sequenceId)
    this.#processing?.remove(sequenceId)
  }

  #forget(sequenceId: number): void {
    this.#live.delete(sequenceId)
    if (!this.#hostSampled.delete(sequenceId)) return
    if (this.#inFlight) this.#leaving.push(sequenceId)
    else this.#drop(sequenceId)
  }
}
