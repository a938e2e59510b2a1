// How many requests are looked at between two looks at the sockets: where hundreds come at once, those that run are served
// meanwhile, and the first of the new ones begin while the last are still read.

import { setImmediate } from 'node:timers'

/** Requests of one turn of the event loop: some milliseconds of parsing, checking and tokenizing. */
const REQUESTS_A_TURN = 8

export class AdmissionPace {
  readonly #waiting: (() => void)[] = []
  #admitted = 0
  #nextTurnIsDue = false

  /** Resolves when it is the caller's turn: at once, unless many came before. */
  turn(): Promise<void> {
    this.#awaitNextTurn()
    if (this.#admitted < REQUESTS_A_TURN && this.#waiting.length === 0) {
      this.#admitted += 1
      return Promise.resolve()
    }
    return new Promise(resolve => {
      this.#waiting.push(resolve)
    })
  }

  #awaitNextTurn(): void {
    if (this.#nextTurnIsDue) return
    this.#nextTurnIsDue = true
    setImmediate(() => {
      this.#nextTurnIsDue = false
      const now = this.#waiting.splice(0, REQUESTS_A_TURN)
      this.#admitted = now.length
      if (now.length > 0) this.#awaitNextTurn()
      for (const resolve of now) resolve()
    })
  }
}
