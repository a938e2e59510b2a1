// How long a reader stands still before it is given up.

export class StallWatch {
  readonly #limitMs: number
  readonly #giveUp: () => void
  #timer: NodeJS.Timeout | undefined

  /** `limitMs` 0: for ever. */
  constructor(limitMs: number, giveUp: () => void) {
    this.#limitMs = limitMs
    this.#giveUp = giveUp
  }

  /** The reader is behind. Said again, it does not begin anew. */
  behind(): void {
    if (this.#limitMs > 0) this.#timer ??= setTimeout(this.#giveUp, this.#limitMs)
  }

  caughtUp(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
