// The stateful sampler on the host: what a device cannot draw by itself. One asynchronous call a step, off the JavaScript thread.

import type { CoreRequest, NativeSamplerOptions, Sampler } from '../../native/native.js'
import { type EngineError, errorFromNative } from '../errors.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type { Grammars } from './grammars.js'
import type { Native } from './native.js'
import { bytesOf, unwrap } from './outcome.js'

export type HostSamplerOptions = NativeSamplerOptions

/** Entries of several positions: group `i` is entries `offsets[i]` to `offsets[i + 1]`, the chosen id first. */
export interface LogprobGroups {
  readonly offsets: Int32Array
  readonly tokenIds: Int32Array
  readonly logprobs: Float32Array
  readonly ranks: Int32Array
}

/** The tokens of a step, and what was asked to be known of them. */
export interface SampledStep {
  /** `[numRows]` */
  readonly counts: Int32Array
  /** End to end; -1 for a row whose logits were not numbers, or whose grammar failed. */
  readonly tokenIds: Int32Array
  /** `[numRows]`: how many of a row's tokens, at its end, a grammar forced. */
  readonly numForced?: Int32Array
  /** One group per entry of `tokenIds`, if a row asked. */
  readonly logprobs?: LogprobGroups
  /** Groups of prompt ids, with the batch row and the prompt index of each. */
  readonly promptLogprobs?: {
    readonly rows: Int32Array
    readonly positions: Int32Array
    readonly groups: LogprobGroups
  }
}

/** A sequence whose logits processors failed. */
export interface ProcessorFailure {
  readonly sequenceId: number
  readonly error: EngineError
}

export class HostSampler {
  readonly #native: Sampler

  constructor(native: Native, options: HostSamplerOptions) {
    this.#native = unwrap(native.Sampler.create(options))
  }

  /** Takes up `count` sequences from `first`, before their first step. @throws InvalidArgumentError. */
  add(first: number, count: number, sampling: CoreRequest['sampling'], promptTokenIds: Int32Array): void {
    unwrap(this.#native.add(first, count, sampling, promptTokenIds))
  }

  /** Forgets a sequence. Not while a step that has it is in flight. */
  remove(sequenceId: number): void {
    unwrap(this.#native.remove(sequenceId))
  }

  /**
   * Makes of a copy of a sequence's row of logits what its processors see; `logitsRow` is its place in the batch. False if the
   * model wrote NaN. `grammars`: as of `sample`.
   */
  prepareRow(sequenceId: number, logitsRow: number, row: Float32Array, grammars: Grammars | undefined): boolean {
    return unwrap(this.#native.prepareRow(sequenceId, logitsRow, bytesOf(row), grammars?.native))
  }

  /** What its processors made of a row, for the next `sample`: a sequence that has processors fails without. */
  putRow(sequenceId: number, row: Float32Array): void {
    unwrap(this.#native.putRow(sequenceId, bytesOf(row)))
  }

  /** Sequences whose row of the last step has the token -1 because of their processors. */
  takeFailures(): ProcessorFailure[] {
    return this.#native.takeFailures().map(({ sequenceId, failure }) => ({
      sequenceId,
      error: errorFromNative({ ...failure, details: failure.details ?? {} }),
    }))
  }

  /**
   * Draws for every row that samples. `logits` is changed, and belongs to the sampler until the promise settles. `grammars`:
   * those that have prepared the masks of this batch.
   */
  async sample(batch: InputBatch, logits: Float32Array, grammars?: Grammars): Promise<SampledStep> {
    const used = logits.subarray(0, batch.numLogits * this.#native.vocabSize())
    const sizes = unwrap(await this.#native.sample(bytesOf(batch.words), bytesOf(used), grammars?.native))
    const counts = new Int32Array(batch.numRows)
    const tokenIds = new Int32Array(sizes.numTokens)
    unwrap(this.#native.readTokens(bytesOf(counts), bytesOf(tokenIds)))
    const numForced = sizes.hasForced ? new Int32Array(batch.numRows) : undefined
    if (numForced !== undefined) unwrap(this.#native.readForced(bytesOf(numForced)))
    return {
      counts,
      tokenIds,
      ...(numForced !== undefined && { numForced }),
      ...(sizes.numEntries > 0 && { logprobs: this.#groups(false, sizes.numTokens, sizes.numEntries) }),
      ...(sizes.numPromptGroups > 0 && {
        promptLogprobs: this.#promptLogprobs(sizes.numPromptGroups, sizes.numPromptEntries),
      }),
    }
  }

  #promptLogprobs(numGroups: number, numEntries: number): NonNullable<SampledStep['promptLogprobs']> {
    const rows = new Int32Array(numGroups)
    const positions = new Int32Array(numGroups)
    unwrap(this.#native.readPromptPositions(bytesOf(rows), bytesOf(positions)))
    return { rows, positions, groups: this.#groups(true, numGroups, numEntries) }
  }

  #groups(ofPrompt: boolean, numGroups: number, numEntries: number): LogprobGroups {
    const groups = {
      offsets: new Int32Array(numGroups + 1),
      tokenIds: new Int32Array(numEntries),
      logprobs: new Float32Array(numEntries),
      ranks: new Int32Array(numEntries),
    }
    const { offsets, tokenIds, logprobs, ranks } = groups
    unwrap(this.#native.readLogprobs(ofPrompt, bytesOf(offsets), bytesOf(tokenIds), bytesOf(logprobs), bytesOf(ranks)))
    return groups
  }
}
