// What one sequence has said so far, and how much of it its consumer has taken. It knows no core and no queue.

import type { OutputKind } from '../config/index.js'
import type { CompletionOutput, FinishReason, TokenLogprob } from './request-output.js'

export class Continuation {
  readonly index: number
  readonly tokenIds: number[] = []
  text = ''
  finishReason: FinishReason | null = null
  stopReason: string | number | null = null
  readonly #logprobs: TokenLogprob[] | null
  #cumulativeLogprob = 0
  /** Tokens that the consumer of deltas has. */
  #takenTokens = 0
  /** Text that it does not have: cut from the whole, all of it would be copied for every token. */
  #untakenText = ''
  #changed = false

  constructor(index: number, wantsLogprobs: boolean) {
    this.index = index
    this.#logprobs = wantsLogprobs ? [] : null
  }

  /** True if there is something that the consumer does not have. */
  get changed(): boolean {
    return this.#changed
  }

  append(tokenIds: Int32Array, text: string, logprobs: readonly TokenLogprob[]): void {
    for (const id of tokenIds) this.tokenIds.push(id)
    this.text += text
    this.#untakenText += text
    for (const logprob of logprobs) {
      this.#logprobs?.push(logprob)
      this.#cumulativeLogprob += logprob.logprob
    }
    this.#changed = true
  }

  finish(reason: FinishReason, stopReason: string | number | null): void {
    this.finishReason = reason
    this.stopReason = stopReason
    this.#changed = true
  }

  /** The output of `kind`, and the consumer has it all now. */
  take(kind: OutputKind): CompletionOutput {
    const isDelta = kind === 'delta'
    const output = this.#output(isDelta ? this.#untakenText : this.text, isDelta ? this.#takenTokens : 0)
    this.#takenTokens = this.tokenIds.length
    this.#untakenText = ''
    this.#changed = false
    return output
  }

  /** Everything so far. */
  whole(): CompletionOutput {
    return this.#output(this.text, 0)
  }

  #output(text: string, fromToken: number): CompletionOutput {
    return {
      index: this.index,
      text,
      tokenIds: this.tokenIds.slice(fromToken),
      cumulativeLogprob: this.#logprobs === null ? null : this.#cumulativeLogprob,
      logprobs: this.#logprobs === null ? null : this.#logprobs.slice(fromToken),
      finishReason: this.finishReason,
      stopReason: this.stopReason,
    }
  }
}
