// How many tokens a call of `embed` may have: as many as the runner computes in a moment, by what earlier calls took. The
// moment is short while steps run beside it, so that no stream stands still. It knows durations, no clock.

/** What a call shall take beside running generations, and alone, in milliseconds. */
const BUSY_MS = 25
const IDLE_MS = 150
/** Before anything is known. */
const FIRST_TOKENS = 256
/** Fewer tokens waste the weights that are read for them. */
const LEAST_TOKENS = 32
/** Share of the newest call in the average. */
const NEWEST = 0.3

export class EmbedPace {
  readonly #mostTokens: number
  #tokensPerMs: number | undefined

  constructor(mostTokens: number) {
    this.#mostTokens = mostTokens
  }

  budgetTokens(stepsRun: boolean): number {
    if (this.#tokensPerMs === undefined) return Math.min(FIRST_TOKENS, this.#mostTokens)
    const wanted = Math.round(this.#tokensPerMs * (stepsRun ? BUSY_MS : IDLE_MS))
    return Math.min(this.#mostTokens, Math.max(LEAST_TOKENS, wanted))
  }

  /** A call has been made. */
  took(numTokens: number, durationMs: number): void {
    const rate = numTokens / Math.max(durationMs, 0.01)
    // A call of few tokens says little: its weights were read for them alone.
    if (numTokens < LEAST_TOKENS && this.#tokensPerMs !== undefined) return
    this.#tokensPerMs = this.#tokensPerMs === undefined ? rate : this.#tokensPerMs * (1 - NEWEST) + rate * NEWEST
  }
}
