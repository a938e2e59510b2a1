// The scheduler as TypeScript sees it: it owns the words of one step and of its output, allocated here and filled by Rust.

import type { CoreRequest, CoreStats, EngineCore, EngineCoreOptions } from '../../native/native.js'
import { InputBatch } from '../plugin/input-batch.js'
import type { Native } from './native.js'
import { bytesOf, unwrap } from './outcome.js'

export type { CoreRequest, CoreStats } from '../../native/native.js'
export type CoreOptions = EngineCoreOptions

/** The ids that a request's sequences have: `first`, `first + 1`, ... */
export interface Admission {
  readonly first: number
  readonly count: number
}

/** What a step brought, one entry per sequence with news. Views into memory that the next step overwrites. */
export interface StepOutput {
  readonly sequences: Int32Array
  /** New tokens of each. */
  readonly numTokens: Int32Array
  /** 0 goes on, 1 stop, 2 length, 3 abort, 4 error, 5 repetition, 6 complete: nothing can follow. */
  readonly finishReasons: Int32Array
  /** The stop token that ended it, -1 = none. */
  readonly stopTokenIds: Int32Array
  /** Prompt tokens found in the prefix cache. */
  readonly numCachedTokens: Int32Array
  /** New tokens of all, one sequence after the other. */
  readonly tokenIds: Int32Array
}

/** The fields of `CoreStats` that are one number, in their order; the numbers of `numAcceptedDraftTokensByPosition` come after them. */
export const CORE_STATS = [
  'numRunning',
  'numWaiting',
  'numFreeBlocks',
  'numUsableBlocks',
  'numCachedBlocks',
  'numSteps',
  'numScheduledTokens',
  'numGeneratedTokens',
  'numDraftedRows',
  'numDraftTokens',
  'numAcceptedDraftTokens',
  'numPreemptions',
  'prefixCacheQueries',
  'prefixCacheHits',
] as const satisfies readonly (keyof CoreStats)[]

type CoreCounts = { [Name in (typeof CORE_STATS)[number]]: number }

/** What `Core.statNumbers` has written. */
export function coreStatsOf(numbers: Float64Array): CoreStats {
  const counts = Object.fromEntries(CORE_STATS.map((name, index) => [name, numbers[index] as number]))
  const numAcceptedDraftTokensByPosition = [...numbers.subarray(CORE_STATS.length)]
  return { ...(counts as CoreCounts), numAcceptedDraftTokensByPosition }
}

const OUTPUT_HEADER_WORDS = 2
const noWords = new Int32Array(0)

/** Words allocated here and filled by Rust through their bytes. */
class Words {
  readonly words: Int32Array
  readonly bytes: Buffer

  constructor(length: number) {
    this.words = new Int32Array(length)
    this.bytes = bytesOf(this.words)
  }
}

export class Core {
  readonly #native: EngineCore
  readonly #numStats: number
  #batch = new Words(4096)
  #output = new Words(1024)
  #draftBatch = new Words(1024)

  /** @throws InvalidArgumentError, OutOfMemoryError for a configuration that cannot work. */
  constructor(native: Native, options: CoreOptions) {
    this.#native = unwrap(native.EngineCore.create(options))
    const { maxDraftTokens = 0 } = options.promptLookup ?? options.draftModel ?? {}
    this.#numStats = CORE_STATS.length + maxDraftTokens
  }

  /** @throws PromptError, InvalidArgumentError. */
  add(request: CoreRequest): Admission {
    return unwrap(this.#native.add(request))
  }

  /** False if the sequence is not known (any more). */
  abort(sequenceId: number): boolean {
    return unwrap(this.#native.abort(sequenceId))
  }

  /** The next step, or undefined if there is nothing to run. The batch lives until the next call. */
  schedule(): InputBatch | undefined {
    const numWords = unwrap(this.#native.schedule(this.#batch.bytes))
    if (numWords === 0) return undefined
    if (numWords > this.#batch.words.length) {
      this.#batch = new Words(numWords * 2)
      unwrap(this.#native.readBatch(this.#batch.bytes))
    }
    return new InputBatch(this.#batch.words)
  }

  /**
   * The next batch of the model that drafts, or undefined if the round is over; `drawn` are the tokens of the batch before, one for each
   * row that sampled. The batch lives until the next call.
   */
  draft(drawn: Int32Array): InputBatch | undefined {
    const numWords = unwrap(this.#native.draft(drawn, this.#draftBatch.bytes))
    if (numWords === 0) return undefined
    if (numWords > this.#draftBatch.words.length) {
      this.#draftBatch = new Words(numWords * 2)
      unwrap(this.#native.readDraftBatch(this.#draftBatch.bytes))
    }
    return new InputBatch(this.#draftBatch.words)
  }

  /** Ends a round of drafts before its end. */
  endDrafts(): void {
    unwrap(this.#native.endDrafts())
  }

  /**
   * Takes a step's tokens: `counts[row]` for each row, `tokenIds` end to end; the last `numForced[row]` of a row were not
   * drawn. The output lives until the next call.
   */
  update(stepId: number, counts: Int32Array, tokenIds: Int32Array, numForced: Int32Array = noWords): StepOutput {
    return this.#read(unwrap(this.#native.update(stepId, counts, tokenIds, numForced)))
  }

  /** Ends the sequences of a step that failed. */
  failStep(stepId: number): StepOutput {
    return this.#read(unwrap(this.#native.failStep(stepId)))
  }

  hasUnfinished(): boolean {
    return this.#native.hasUnfinished()
  }

  stats(): CoreStats {
    return this.#native.stats()
  }

  /** The same as numbers alone, see `coreStatsOf`: an array that is the caller's. */
  statNumbers(): Float64Array {
    const numbers = new Float64Array(this.#numStats)
    unwrap(this.#native.readStats(bytesOf(numbers)))
    return numbers
  }

  /** False while sequences hold blocks. */
  resetPrefixCache(): boolean {
    return unwrap(this.#native.resetPrefixCache())
  }

  /** @throws InternalError naming the invariant that does not hold. For tests and debugging. */
  checkInvariants(): void {
    unwrap(this.#native.checkInvariants())
  }

  #read(numWords: number): StepOutput {
    if (numWords > this.#output.words.length) this.#output = new Words(numWords * 2)
    unwrap(this.#native.readOutput(this.#output.bytes))
    const { words } = this.#output
    const [numSequences = 0, numTokenIds = 0] = words
    const column = (index: number, length: number) => {
      const start = OUTPUT_HEADER_WORDS + index * numSequences
      return words.subarray(start, start + length)
    }
    return {
      sequences: column(0, numSequences),
      numTokens: column(1, numSequences),
      finishReasons: column(2, numSequences),
      stopTokenIds: column(3, numSequences),
      numCachedTokens: column(4, numSequences),
      tokenIds: column(5, numTokenIds),
    }
  }
}
