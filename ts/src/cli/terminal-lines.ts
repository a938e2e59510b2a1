// A terminal where lines are answered: the prompt, the stream of an answer, and what Ctrl-C does.

import { createInterface, type Interface } from 'node:readline'
import { EngineError, RequestAbortedError } from '../errors.js'
import { AnswerStats } from './answerer/answer-stats.js'
import type { AnswerPiece } from './answerer/answerer.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import type { Streams } from './streams.js'

type Begin = (signal: AbortSignal) => AsyncIterable<AnswerPiece>

/** What was said, and whether to the end. */
export interface Shown {
  readonly text: string
  /** True if the answer failed; what has come of it is worth nothing. */
  readonly failed: boolean
}

const [DIM, PLAIN] = ['\u001b[2m', '\u001b[0m']

export class TerminalLines {
  readonly #streams: Streams
  readonly #hint: string
  readonly #stats: boolean
  readonly #isTerminal: boolean
  #terminal: Interface | undefined
  #answering: AbortController | undefined

  constructor(streams: Streams, hint: string, stats: boolean) {
    this.#streams = streams
    this.#hint = hint
    this.#stats = stats
    this.#isTerminal = streams.stdin.isTTY === true && streams.stdout.isTTY === true
  }

  /** Gives each line that is not blank to `take`, until the input ends or `take` says false. */
  async run(take: (text: string) => Promise<boolean>): Promise<void> {
    const terminal = createInterface({
      input: this.#streams.stdin,
      output: this.#isTerminal ? this.#streams.stdout : undefined,
      prompt: '> ',
      terminal: this.#isTerminal,
    })
    this.#terminal = terminal
    const interrupt = (): void => this.#interrupt()
    terminal.on('SIGINT', interrupt)
    process.on('SIGINT', interrupt)
    try {
      if (this.#isTerminal) this.#streams.stdout.write(`${this.#hint}\n`)
      this.#prompt()
      for await (const line of terminal) {
        const text = line.trim()
        if (text !== '' && (await take(text)) === false) break
        this.#prompt()
      }
    } finally {
      process.off('SIGINT', interrupt)
      terminal.close()
    }
  }

  /** One answer and no more: the exit code says how it ended. @throws EngineError. */
  one(begin: Begin): Promise<ExitCode> {
    return withInterrupt(async signal => {
      try {
        await this.#stream(begin(signal), () => {})
        return 0
      } catch (error) {
        if (!(error instanceof RequestAbortedError)) throw error
        return 130
      }
    })
  }

  /** Prints an answer as it comes. An error is told, and the terminal goes on. @throws what is no EngineError. */
  async show(begin: Begin): Promise<Shown> {
    const answering = new AbortController()
    this.#answering = answering
    let text = ''
    try {
      await this.#stream(begin(answering.signal), piece => {
        text += piece
      })
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
      if (!(error instanceof RequestAbortedError)) {
        this.#streams.stderr.write(`quire: ${error.message} [${error.code}]\n`)
        return { text, failed: true }
      }
    } finally {
      this.#answering = undefined
    }
    return { text, failed: false }
  }

  async #stream(pieces: AsyncIterable<AnswerPiece>, keep: (text: string) => void): Promise<void> {
    const { stdout, stderr } = this.#streams
    const stats = new AnswerStats(performance.now.bind(performance))
    try {
      for await (const piece of pieces) {
        stats.add(piece)
        // What a model says to itself is not part of its answer: people may read it, programs do not get it.
        if (piece.reasoning !== '' && this.#isTerminal) stdout.write(`${DIM}${piece.reasoning}${PLAIN}`)
        stdout.write(piece.text)
        keep(piece.text)
      }
    } finally {
      stdout.write('\n')
    }
    if (this.#stats) stderr.write(`quire: ${stats}\n`)
  }

  #prompt(): void {
    if (this.#isTerminal) this.#terminal?.prompt()
  }

  /** Stops the answer that is running; without one, says how to leave. */
  #interrupt(): void {
    if (this.#answering !== undefined) this.#answering.abort()
    else if (this.#isTerminal) {
      this.#streams.stdout.write(`\n${this.#hint}\n`)
      this.#prompt()
    } else this.#terminal?.close()
  }
}
