// Progress lines on a terminal: of prompts that are generated, of files that are downloaded or written. They write nothing elsewhere.

import { type PullProgress, progressBarsDisabled } from './hub/index.js'

/** Where the line goes; standard error in practice. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const BAR_WIDTH = 24

/** One line that is drawn again and again. */
class ProgressLine {
  readonly #terminal: Terminal
  #isDrawn = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  draw(fraction: number, text: string): void {
    if (!this.#terminal.isTTY) return
    this.#isDrawn = true
    const bar = '#'.repeat(Math.round(Math.min(fraction, 1) * BAR_WIDTH)).padEnd(BAR_WIDTH, '.')
    const line = `[${bar}] ${text}`
    this.#terminal.write(`\r${line.slice(0, (this.#terminal.columns ?? 100) - 1)}\u001b[K`)
  }

  /** What comes next begins a line. */
  finish(): void {
    if (this.#isDrawn) this.#terminal.write('\n')
    this.#isDrawn = false
  }
}

/** Prompts done, prompt and output tokens per second; drawn at most ten times a second. */
export class ProgressBar {
  readonly #line: ProgressLine
  readonly #total: number
  readonly #now: () => number
  readonly #startedAt: number
  #drawnAt = Number.NEGATIVE_INFINITY
  #done = 0
  #promptTokens = 0
  #outputTokens = 0

  /** Draws nothing if `terminal` is not a terminal. `now` gives milliseconds. */
  constructor(terminal: Terminal, total: number, now: () => number) {
    this.#line = new ProgressLine(terminal)
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
    this.#line.finish()
  }

  #draw(): void {
    this.#drawnAt = this.#now()
    const seconds = Math.max((this.#drawnAt - this.#startedAt) / 1000, 1e-3)
    const rate = (tokens: number): string => (tokens / seconds).toFixed(tokens / seconds < 100 ? 1 : 0)
    this.#line.draw(
      this.#done / this.#total,
      `${this.#done}/${this.#total} prompts, ${rate(this.#promptTokens)} prompt + ${rate(this.#outputTokens)} output tokens/s`,
    )
  }
}

/** The share of one piece of work that is done. */
export class ShareBar {
  readonly #line: ProgressLine
  readonly #what: string

  /** Draws nothing if `terminal` is not a terminal. */
  constructor(terminal: Terminal, what: string) {
    this.#line = new ProgressLine(terminal)
    this.#what = what
  }

  /** A function of its own, to be handed on. */
  readonly show = (fraction: number): void => {
    this.#line.draw(fraction, `${this.#what}, ${Math.floor(fraction * 100)} %`)
  }

  /** Ends the line. */
  finish(): void {
    this.#line.finish()
  }
}

/** Bytes and files of a download, with its rate and the time that is left. */
export class DownloadBar {
  readonly #line: ProgressLine
  readonly #isOff: boolean
  /** Something is not there yet: a model that is in the cache draws nothing. */
  #hasBegun = false

  /** Draws nothing if `terminal` is not a terminal, or HF_HUB_DISABLE_PROGRESS_BARS is set. */
  constructor(terminal: Terminal, env: Readonly<Record<string, string | undefined>>) {
    this.#line = new ProgressLine(terminal)
    this.#isOff = progressBarsDisabled(env)
  }

  /** A function of its own, to be handed on. */
  readonly show = (progress: PullProgress): void => {
    const { phase, file, allLoaded, allTotal, numFiles, numFilesDone, rate, eta } = progress
    this.#hasBegun ||= allLoaded < allTotal || phase === 'wait'
    if (this.#isOff || !this.#hasBegun) return
    const what: Readonly<Record<typeof phase, string>> = {
      resolve: '',
      wait: `, another process downloads ${file}`,
      download: eta === undefined ? '' : `, ${bytesText(rate)}/s, ${durationText(eta)} left`,
      verify: `, checking ${file}`,
      done: '',
    }
    const bytes = `${bytesText(allLoaded)} of ${bytesText(allTotal)}`
    const fraction = allTotal === 0 ? 1 : allLoaded / allTotal
    this.#line.draw(fraction, `${numFilesDone}/${numFiles} files, ${bytes}${what[phase]}`)
  }

  /** Ends the line. */
  finish(): void {
    this.#line.finish()
  }
}

/** `1.5 GiB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1)
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

function durationText(seconds: number): string {
  const whole = Math.ceil(seconds)
  return whole < 100 ? `${whole} s` : whole < 6000 ? `${Math.round(whole / 60)} min` : `${(whole / 3600).toFixed(1)} h`
}
