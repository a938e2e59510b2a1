// The text of every running sequence, advanced by one native call a step.

import type { DetokenizerOptions, DetokenizerPool, Tokenizer } from '../../native/native.js'
import type { Native } from './native.js'
import { unwrap } from './outcome.js'

export type { DetokenizerOptions } from '../../native/native.js'

/** What a step added: one entry per sequence that was pushed. */
export interface DetokenizedStep {
  /** Text that is final now. */
  readonly texts: readonly string[]
  /** Index of the stop string that ended the text, -1 = none. */
  readonly stops: readonly number[]
  /** Ids that it took: those behind a stop string are left out. */
  readonly counts: readonly number[]
}

export class Detokenizers {
  readonly #native: DetokenizerPool

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
    return unwrap(this.#native.push(sequences, counts, tokenIds, finishes))
  }
}
