// The text of every running sequence, advanced by one native call a step.

import type { DetokenizerOptions, DetokenizerPool, Tokenizer } from '../../native/native.js'
import type { Native } from './native.js'
import { bytesOf, unwrap } from './outcome.js'

export type { DetokenizerOptions } from '../../native/native.js'

/** What a step added: one entry per sequence that was pushed. The arrays are views that the next call overwrites. */
export interface DetokenizedStep {
  /** Text that is final now. */
  readonly texts: readonly string[]
  /** Index of the stop string that ended the text, -1 = none. */
  readonly stops: Int32Array
  /** Ids that it took: those behind a stop string are left out. */
  readonly counts: Int32Array
}

export class Detokenizers {
  readonly #native: DetokenizerPool
  #columns = new Int32Array(256)

  constructor(native: Native, tokenizer: Tokenizer) {
    this.#native = new native.DetokenizerPool(tokenizer)
  }

  /** @throws TokenizerError. */
  add(sequenceId: number, promptTokenIds: Int32Array, options: DetokenizerOptions): void {
    unwrap(this.#native.add(sequenceId, promptTokenIds, options))
  }

  remove(sequenceId: number): void {
    this.#native.remove(sequenceId)
  }

  /**
   * Takes `counts[i]` new ids of `sequences[i]` from `tokenIds`; `finishes[i]`: 0 goes on, 1 ended by a stop token, 2 ended
   * otherwise. A sequence that was never added has no text.
   */
  push(sequences: Int32Array, counts: Int32Array, tokenIds: Int32Array, finishes: Int32Array): DetokenizedStep {
    const { length } = sequences
    if (this.#columns.length < 3 * length) this.#columns = new Int32Array(6 * length)
    const columns = this.#columns
    const all = unwrap(this.#native.push(sequences, counts, tokenIds, finishes, bytesOf(columns)))
    const texts: string[] = []
    let start = 0
    for (let index = 0; index < length; index += 1) {
      const end = start + (columns[index] as number)
      texts.push(all.slice(start, end))
      start = end
    }
    return { texts, stops: columns.subarray(length, 2 * length), counts: columns.subarray(2 * length, 3 * length) }
  }
}
