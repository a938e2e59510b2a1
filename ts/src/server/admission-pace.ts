// How much is let in between two looks at the sockets: where hundreds of requests come at once, those that run are served
// meanwhile, and the first of the new ones begin while the last are still read.

import { setImmediate } from 'node:timers'

interface Waiting {
  readonly size: number
  readonly rank: number
  readonly resolve: () => void
}

export class AdmissionPace {
  readonly #most: number
  readonly #isHeld: () => boolean
  readonly #waiting: Waiting[] = []
  #admitted = 0
  #nextTurnIsDue = false

  /**
   * At most `most` in one turn of the event loop; what is larger than that has one for itself. While `isHeld` says so, nobody
   * who waits is let in.
   */
  constructor(most: number, isHeld: () => boolean = () => false) {
    this.#most = most
    this.#isHeld = isHeld
  }

  /** Resolves when it is the caller's turn: at once, unless many came before. Lower ranks come first, then who waits longest. */
  turn(size = 1, rank = 0): Promise<void> {
    this.#awaitNextTurn()
    if (this.#waiting.length === 0 && this.#admits(size)) return Promise.resolve()
    return new Promise(resolve => {
      this.#waiting.push({ size, rank, resolve })
    })
  }

  #admits(size: number): boolean {
    if (this.#admitted > 0 && this.#admitted + size > this.#most) return false
    this.#admitted += size
    return true
  }

  #awaitNextTurn(): void {
    if (this.#nextTurnIsDue) return
    this.#nextTurnIsDue = true
    setImmediate(() => {
      this.#nextTurnIsDue = false
      this.#admitted = 0
      const waiting = this.#waiting
      if (waiting.length > 0 && this.#isHeld()) {
        this.#awaitNextTurn()
        return
      }
      waiting.sort((one, other) => one.rank - other.rank)
      const stays = waiting.findIndex(({ size }) => !this.#admits(size))
      const now = waiting.splice(0, stays < 0 ? waiting.length : stays)
      if (now.length > 0) this.#awaitNextTurn()
      for (const { resolve } of now) resolve()
    })
  }
}
