// What crosses between the thread of the requests and the thread of the loop: one message a step in each direction, its
// numbers in one array.

import type { StepOutput } from '../binding/index.js'
import type { EngineConfig } from '../config/index.js'
import type { Device } from '../plugin/device.js'
import type { EmbedJob } from './embed-queue.js'
import type { LoopRequest } from './engine-request.js'
import type { LoopFacts } from './loop-port.js'
import type { PortableError } from './portable-error.js'
import type { PromptLogprobs, StepNews, TokenLogprobs } from './step-news.js'

/** What the loop's thread is started with. */
export interface LoopThreadData {
  readonly config: EngineConfig
  /** The plugin that was selected, and its device. */
  readonly framework: string
  readonly device: Device
  readonly appDirectory: string
  readonly entryScript?: string
}

/** Calls that have an answer of their own. */
export interface LoopCalls {
  resetPrefixCache: { readonly argument: undefined; readonly result: boolean }
  embed: { readonly argument: EmbedJob; readonly result: Float32Array }
  pause: { readonly argument: undefined; readonly result: undefined }
  idle: { readonly argument: undefined; readonly result: undefined }
  close: { readonly argument: undefined; readonly result: undefined }
}

export type LoopCommand =
  | { readonly kind: 'add'; readonly ticket: number; readonly request: LoopRequest }
  /** Nobody waits for the answer any more. */
  | { readonly kind: 'withdraw'; readonly ticket: number }
  | { readonly kind: 'abort'; readonly sequenceIds: readonly number[] }
  | { readonly kind: 'resume' }
  /** A call is not waited for any more. */
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'call'; readonly id: number; readonly name: keyof LoopCalls; readonly argument: unknown }

export type LoopEvent =
  | { readonly kind: 'progress'; readonly fraction: number }
  | { readonly kind: 'ready'; readonly facts: LoopFacts }
  | { readonly kind: 'taken'; readonly ticket: number; readonly first: number }
  | { readonly kind: 'refused'; readonly ticket: number; readonly error: PortableError }
  | { readonly kind: 'scheduled'; readonly sequenceIds: ArrayLike<number>; readonly atMs: number }
  | { readonly kind: 'stepped'; readonly step: PackedStep }
  | { readonly kind: 'failed'; readonly sequenceIds: readonly number[]; readonly cause: PortableError }
  | { readonly kind: 'lost'; readonly cause: PortableError }
  | { readonly kind: 'restarted' }
  | { readonly kind: 'broke'; readonly cause: PortableError }
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'threw'; readonly id: number; readonly error: PortableError }

/** From the loop's thread. */
export interface LoopReport {
  readonly events: readonly LoopEvent[]
  /** The numbers of `CoreStats`. Absent before the model is up. */
  readonly stats?: Float64Array
}

/** A step's news as one array and what few steps have. */
export interface PackedStep {
  readonly atMs: number
  readonly numScheduledTokens: number
  readonly numSequences: number
  /** The five columns of `StepOutput`, `[numSequences]` each, then the token ids. */
  readonly words: Int32Array
  readonly logprobs?: TokenLogprobs
  readonly promptLogprobs?: PromptLogprobs
}

const COLUMNS = 5

/** A copy: the loop's own arrays are overwritten by its next step. */
export function packStep({ atMs, numScheduledTokens, output, logprobs, promptLogprobs }: StepNews): PackedStep {
  const { sequences, numTokens, finishReasons, stopTokenIds, numCachedTokens, tokenIds } = output
  const numSequences = sequences.length
  const words = new Int32Array(COLUMNS * numSequences + tokenIds.length)
  for (const [index, column] of [sequences, numTokens, finishReasons, stopTokenIds, numCachedTokens].entries())
    words.set(column, index * numSequences)
  words.set(tokenIds, COLUMNS * numSequences)
  return {
    atMs,
    numScheduledTokens,
    numSequences,
    words,
    // The batch that these sequences are columns of is overwritten; the groups are the sampler's copies already.
    ...(logprobs !== undefined && { logprobs: { ...logprobs, sequences: logprobs.sequences.slice() } }),
    ...(promptLogprobs !== undefined && { promptLogprobs }),
  }
}

export function unpackStep({ atMs, numScheduledTokens, numSequences, words, ...others }: PackedStep): StepNews {
  const column = (index: number) => words.subarray(index * numSequences, (index + 1) * numSequences)
  const output: StepOutput = {
    sequences: column(0),
    numTokens: column(1),
    finishReasons: column(2),
    stopTokenIds: column(3),
    numCachedTokens: column(4),
    tokenIds: words.subarray(COLUMNS * numSequences),
  }
  return { atMs, numScheduledTokens, output, ...others }
}
