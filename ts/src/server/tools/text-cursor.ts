// A text that is still growing, and the place up to which it was read. Readers of it are coroutines: straight code that
// yields where it needs more text, so that nothing they find depends on where the text was cut.

/** Straight code over a growing text; each `next` goes on with what has come since. */
export type Reading<Result = void> = Generator<undefined, Result, undefined>

export class TextCursor {
  #text = ''
  #at = 0
  #ended = false
  #held: string[] | undefined

  append(delta: string): void {
    this.#text = this.#text.slice(this.#at) + delta
    this.#at = 0
  }

  /** Nothing will be appended. */
  end(): void {
    this.#ended = true
  }

  get ended(): boolean {
    return this.#ended
  }

  /** What is there and was not taken. */
  get unread(): string {
    return this.#at === 0 ? this.#text : this.#text.slice(this.#at)
  }

  get isEmpty(): boolean {
    return this.#at === this.#text.length
  }

  /** Takes the next `count` characters, or all that are left. */
  take(count = Number.POSITIVE_INFINITY): string {
    const end = Math.min(this.#at + count, this.#text.length)
    const taken = this.#text.slice(this.#at, end)
    this.#at = end
    this.#held?.push(taken)
    return taken
  }

  /** From here on, keeps what is taken, so that `rewind` can put it back. */
  hold(): void {
    this.#held = []
  }

  release(): void {
    this.#held = undefined
  }

  /** Puts back what was taken since `hold`. */
  rewind(): void {
    if (this.#held === undefined) return
    this.#text = this.#held.join('') + this.unread
    this.#at = 0
    this.#held = undefined
  }

  /** Waits until there is text. False: the text is over. */
  *more(): Reading<boolean> {
    while (this.isEmpty && !this.#ended) yield
    return !this.isEmpty
  }

  /** The next character, not taken; '' at the end of the text. */
  *peek(): Reading<string> {
    return (yield* this.more()) ? this.#text.charAt(this.#at) : ''
  }

  /** Takes `word` if it is next. */
  *accept(word: string): Reading<boolean> {
    return (yield* this.acceptAny([word])) !== undefined
  }

  /** Takes the first of `words` that is next, and tells which. No word may begin with another. */
  *acceptAny(words: readonly string[]): Reading<string | undefined> {
    for (;;) {
      const found = words.find(word => this.#text.startsWith(word, this.#at))
      if (found !== undefined) {
        this.take(found.length)
        return found
      }
      const undecided = words.some(word => word.startsWith(this.unread))
      if (!undecided || this.#ended) return undefined
      yield
    }
  }

  /** Takes characters as long as they are among `characters`. */
  *skip(characters: string): Reading {
    while (yield* this.more()) {
      let end = this.#at
      while (end < this.#text.length && characters.includes(this.#text.charAt(end))) end += 1
      this.take(end - this.#at)
      if (!this.isEmpty) return
    }
  }

  /** Takes characters as long as they match, at most `limit`. */
  *takeWhile(pattern: RegExp, limit: number): Reading<string> {
    let taken = ''
    while (taken.length < limit && pattern.test(yield* this.peek())) taken += this.take(1)
    return taken
  }

  /**
   * Takes text up to the first of `marks` and gives it to `onText` as it comes; takes the mark too, and tells which it
   * was, or undefined at the end of the text. No mark may begin with another.
   */
  *takeUntil(marks: readonly string[], onText: (text: string) => void): Reading<string | undefined> {
    const longest = Math.max(...marks.map(mark => mark.length))
    while (yield* this.more()) {
      const unread = this.unread
      const found = firstOf(unread, marks)
      if (found !== undefined) {
        if (found.index > 0) onText(this.take(found.index))
        return this.take(found.mark.length)
      }
      const open = this.#ended ? 0 : beginningAtEnd(unread, marks, longest)
      if (unread.length > open) onText(this.take(unread.length - open))
      if (!this.isEmpty) yield
    }
    return undefined
  }
}

/** White space as the markup of calls has it. */
export const SPACE = ' \n\t\r'

function firstOf(
  text: string,
  marks: readonly string[],
): { readonly index: number; readonly mark: string } | undefined {
  let first: { readonly index: number; readonly mark: string } | undefined
  for (const mark of marks) {
    const index = text.indexOf(mark)
    if (index !== -1 && (first === undefined || index < first.index)) first = { index, mark }
  }
  return first
}

/** How many characters at the end of `text` may be the beginning of a mark. */
function beginningAtEnd(text: string, marks: readonly string[], longest: number): number {
  for (let length = Math.min(text.length, longest - 1); length > 0; length -= 1) {
    const end = text.slice(-length)
    if (marks.some(mark => mark.startsWith(end))) return length
  }
  return 0
}
