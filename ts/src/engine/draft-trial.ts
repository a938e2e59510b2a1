// Whether drafts of a second model pay: time per token with them against without, as measured here. A draft that is right costs a pass of
// one model and saves one of the other, and nobody knows beforehand how the two compare on a machine.

/** Steps with drafts between two looks at how it goes without. */
const STEPS_BETWEEN_LOOKS = 48
/** Steps of such a look; and of a trial. */
const STEPS_OF_LOOK = 2
const STEPS_OF_TRIAL = 6
/** Steps without drafts after a trial in which they did not pay: first, and at most. */
const FIRST_PAUSE = 32
const LONGEST_PAUSE = 1024

export class DraftTrial {
  /** Of steps with drafts, and of steps without, the last time; undefined: not known for this number of sequences. */
  #msPerTokenWith: number | undefined
  #msPerTokenWithout: number | undefined
  /** Of the steps that go on now. */
  #ms = 0
  #numTokens = 0
  #numRows = 0
  /** Steps that are left with drafts (above 0), or without them (below 0). */
  #left = STEPS_OF_TRIAL
  #pause = FIRST_PAUSE

  /** Whether the next step shall have drafts. */
  get wantsDrafts(): boolean {
    return this.#left > 0
  }

  /** A step of `numRows` generating sequences gave `numTokens`, and took `ms` with the round of drafts before it. */
  took(numRows: number, numTokens: number, ms: number): void {
    if (numTokens === 0) return
    if (numRows !== this.#numRows) this.#beginAnew(numRows)
    this.#ms += ms
    this.#numTokens += numTokens
    const drafted = this.wantsDrafts
    this.#left += drafted ? -1 : 1
    if (this.#left !== 0) return
    const rate = this.#ms / this.#numTokens
    if (drafted) this.#msPerTokenWith = rate
    else this.#msPerTokenWithout = rate
    this.#left = drafted ? this.#afterDrafts() : this.#afterNone()
    this.#ms = 0
    this.#numTokens = 0
  }

  /** Drafts pay, as far as is known. */
  get #pay(): boolean {
    return (this.#msPerTokenWith ?? 0) <= (this.#msPerTokenWithout ?? Infinity)
  }

  #afterDrafts(): number {
    if (this.#pay) return -STEPS_OF_LOOK
    const pause = this.#pause
    this.#pause = Math.min(2 * pause, LONGEST_PAUSE)
    return -pause
  }

  /** After a look it goes on if drafts pay; after a pause they are tried. */
  #afterNone(): number {
    if (this.#msPerTokenWith === undefined || !this.#pay) return STEPS_OF_TRIAL
    this.#pause = FIRST_PAUSE
    return STEPS_BETWEEN_LOOKS
  }

  /** Rates of other numbers of sequences say nothing. */
  #beginAnew(numRows: number): void {
    this.#numRows = numRows
    this.#msPerTokenWith = undefined
    this.#msPerTokenWithout = undefined
    this.#ms = 0
    this.#numTokens = 0
    if (this.wantsDrafts) this.#left = STEPS_OF_TRIAL
  }
}
