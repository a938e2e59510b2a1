// A progress line on a terminal: requests done, prompt and output tokens per second. It writes nothing elsewhere.

/** Where the line goes; standard error in practice. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Redraws one line at most ten times a second. */
export class ProgressBar {
  readonly #terminal: Terminal
  readonly #total: number
  readonly #now: () => number
  readonly #startedAt: number
  #drawnAt = Number.NEGATIVE_INFINITY
  #done = 0
  #promptTokens = 0
  #outputTokens = 0

  /** Draws nothing if `terminal` is not a terminal. `now` gives milliseconds. */
  constructor(terminal: Terminal, total: number, now: () => number) {
    this.#terminal = terminal
    this.#total = total
    this.#now = now
    this.#startedAt = now()
  }

  /** One more request has ended. */
  advance(promptTokens: number, outputTokens: number): void {
    this.#done += 1
    this.#promptTokens += promptTokens
    this.#outputTokens += outputTokens
    if (this.#now() - this.#drawnAt >= 100 || this.#done === this.#total) this.#draw()
  }

  /** Ends the line. */
  finish(): void {
    if (this.#terminal.isTTY && this.#done > 0) this.#terminal.write('\n')
  }

  #draw(): void {
    if (!this.#terminal.isTTY) return
    this.#drawnAt = this.#now()
    const seconds = Math.max((this.#drawnAt - this.#startedAt) / 1000, 1e-3)
    const width = 24
    const filled = Math.round((this.#done / this.#total) * width)
    const bar = '#'.repeat(filled).padEnd(width, '.')
    const rate = (tokens: number): string => (tokens / seconds).toFixed(tokens / seconds < 100 ? 1 : 0)
    const line = `[${bar}] ${this.#done}/${this.#total} prompts, ${rate(this.#promptTokens)} prompt + ${rate(this.#outputTokens)} output tokens/s`
    this.#terminal.write(`\r${line.slice(0, (this.#terminal.columns ?? 100) - 1)}\u001b[K`)
  }
}
