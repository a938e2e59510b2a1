// New connections, of which the system's event loop hands over one a turn: while they come, turns are to be short, so that the
// last of hundreds does not wait for hundreds of large bodies.

/** Turns in a row that are kept short; then others have theirs, whoever still comes. */
const MOST_IN_A_ROW = 256

export class Arrivals {
  #count = 0

  /** A connection has come. */
  add(): void {
    this.#count += 1
  }

  /** Gives a function that says whether connections have come since it was last asked; after many times in a row it says no. */
  watch(): () => boolean {
    let seen = this.#count
    let inARow = 0
    return () => {
      const areComing = this.#count !== seen && inARow < MOST_IN_A_ROW
      seen = this.#count
      inARow = areComing ? inARow + 1 : 0
      return areComing
    }
  }
}
