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
  /** How much the consumer of deltas has. */
  #taken = { text: 0, tokens: 0 }
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
    const from = kind === 'delta' ? this.#taken : { text: 0, tokens: 0 }
    this.#taken = { text: this.text.length, tokens: this.tokenIds.length }
    this.#changed = false
    return this.#since(from)
  }

  /** Everything so far. */
  whole(): CompletionOutput {
    return this.#since({ text: 0, tokens: 0 })
  }

  #since(from: { readonly text: number; readonly tokens: number }): CompletionOutput {
    return {
      index: this.index,
      text: this.text.slice(from.text),
      tokenIds: this.tokenIds.slice(from.tokens),
      cumulativeLogprob: this.#logprobs === null ? null : this.#cumulativeLogprob,
      logprobs: this.#logprobs === null ? null : this.#logprobs.slice(from.tokens),
      finishReason: this.finishReason,
      stopReason: this.stopReason,
    }
  }
}
