// How fast an answer came: what `--stats` tells.

import type { AnswerPiece } from './answerer.js'

export class AnswerStats {
  readonly #now: () => number
  readonly #startMs: number
  #firstMs: number | undefined
  #lastMs = 0
  #numTokens = 0

  /** `now` gives milliseconds. */
  constructor(now: () => number) {
    this.#now = now
    this.#startMs = now()
  }

  add({ text, reasoning, numTokens = 1 }: AnswerPiece): void {
    this.#numTokens += numTokens
    if (text === '' && reasoning === '' && (numTokens <= 0 || this.#firstMs !== undefined)) return
    this.#lastMs = this.#now()
    this.#firstMs ??= this.#lastMs
  }

  /** One line: time to the first token, tokens per second after it, tokens. */
  toString(): string {
    if (this.#firstMs === undefined) return 'no tokens'
    const ttft = `TTFT ${((this.#firstMs - this.#startMs) / 1000).toFixed(3)} s`
    const seconds = (this.#lastMs - this.#firstMs) / 1000
    const rate = this.#numTokens > 1 && seconds > 0 ? `, ${((this.#numTokens - 1) / seconds).toFixed(1)} tokens/s` : ''
    return `${ttft}${rate}, ${this.#numTokens} tokens`
  }
}
