// The seam between requests and the loop that runs them. Behind it the loop is in this thread (`LoopHost`) or in one of its
// own (`RemoteLoop`); who stands before it cannot tell which, but that answers come at once or later.

import type { CoreStats } from '../binding/index.js'
import type { WorkerError } from '../errors.js'
import type { CacheInfo } from '../executor/index.js'
import type { Framework } from '../plugin/framework.js'
import type { BatchLimits, ModelInfo } from '../plugin/model-runner.js'
import type { EmbedJob } from './embed-queue.js'
import type { LoopRequest } from './engine-request.js'
import type { StepNews } from './step-news.js'

/** What is known once the model is up. */
export interface LoopFacts {
  readonly modelInfo: ModelInfo
  readonly cacheInfo: CacheInfo
  readonly limits: BatchLimits
}

/** What the loop tells, between steps. Arrays are valid during the call only. */
export interface LoopEvents {
  /** These sequences are in their first step, which begins now. */
  scheduled(sequenceIds: ArrayLike<number>, atMs: number): void
  /** What a step brought. Whoever waits for it hears at the next `told`. */
  stepped(news: StepNews): void
  /** Enough has been heard for now: after a step, or after several that came at once. */
  told(): void
  /** These sequences have ended because of `cause`: their step failed. */
  failed(sequenceIds: Iterable<number>, cause: unknown): void
  /** The worker is lost, and with it the KV cache and every sequence of the core; another is being started. */
  lost(cause: WorkerError): void
  /** There is a worker again, with an empty cache. */
  restarted(): void
  /** The loop itself cannot go on: every request is lost. */
  broke(cause: unknown): void
}

/** The answer to one request. Exactly one of both is called. */
export interface AdmissionAnswer {
  /** Its sequences are `first`, `first + 1`, ... */
  taken(first: number): void
  /** With a PromptError or an InvalidArgumentError. */
  refused(error: Error): void
}

/** Takes a request back that has no answer yet: it gets none, is refused, or is taken all the same if this came too late. */
export type Withdraw = () => void

export interface LoopPort {
  readonly facts: LoopFacts
  /** The adapter of rank 0. @throws NotSupportedError if it lives in another thread. */
  readonly framework: Framework
  /** Requests of one tick begin in one step. */
  add(request: LoopRequest, answer: AdmissionAnswer): Withdraw
  /** Ends sequences in whatever state they are; they are heard of no more. Unknown ids are passed over. */
  abort(sequenceIds: readonly number[]): void
  /** Vectors or scores of sequences, end to end. @throws NotSupportedError, RequestAbortedError, what the runner throws. */
  embed(job: EmbedJob, signal: AbortSignal): Promise<Float32Array>
  /** As of the last step, abort or admission. */
  stats(): CoreStats
  /** False, and nothing changed, while sequences hold blocks. */
  resetPrefixCache(): Promise<boolean>
  /** No step begins until `resume`; resolves when none is in flight. */
  pause(): Promise<void>
  resume(): void
  /** Whether somebody waits for it: another thread keeps the process alive as long. */
  hold(isAwaited: boolean): void
  /** Resolves when nothing is left to run. */
  idle(): Promise<void>
  /** Ends the loop after the step in flight, and frees the model. */
  close(): Promise<void>
}
