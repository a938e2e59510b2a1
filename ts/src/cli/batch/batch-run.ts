// Runs a batch through a web handler: so many requests at once, rows in the order of the input or as they come.

import { answerRow, type BatchAnswer, errorRow, keyOf, readBatchLine } from './batch-line.js'
import type { BatchOutput } from './batch-output.js'
import type { TextLine } from './text-lines.js'

/** Requests that may run ahead of the row that is written next, for each that runs at once: bounds what waits in memory. */
const AHEAD = 8

export interface BatchOptions {
  readonly handler: (request: Request) => Promise<Response>
  readonly lines: AsyncIterable<TextLine>
  readonly output: Pick<BatchOutput, 'write' | 'done'>
  readonly maxConcurrency: number
  /** Write rows as they come, rather than in the order of the input. */
  readonly unordered: boolean
  /** Draws the ids of rows. */
  readonly newId: () => string
  readonly onRow?: () => void
  readonly signal: AbortSignal
}

export interface BatchCounts {
  /** Lines of the input that are not blank. */
  lines: number
  answered: number
  failed: number
  /** Lines that an earlier run has done. */
  skipped: number
}

/** @throws the signal's reason, what the lines throw, what writing throws. */
export function runBatch(options: BatchOptions): Promise<BatchCounts> {
  return new BatchRun(options).run()
}

class BatchRun {
  readonly #options: BatchOptions
  readonly #counts: BatchCounts = { lines: 0, answered: 0, failed: 0, skipped: 0 }
  readonly #seen = new Set<string>()
  /** Requests under way. */
  #running = 0
  #wake: () => void = () => {}
  /** Rows that wait for those before them, by their place. */
  readonly #waiting = new Map<number, string>()
  #started = 0
  #written = 0
  #failure: { readonly error: unknown } | undefined

  constructor(options: BatchOptions) {
    this.#options = options
  }

  async run(): Promise<BatchCounts> {
    const { lines, maxConcurrency, unordered, signal } = this.#options
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    for await (const line of lines) {
      this.#throwIfEnded()
      this.#counts.lines += 1
      this.#start(line)
      const most = maxConcurrency * AHEAD
      while (this.#running >= maxConcurrency || (!unordered && this.#started - this.#written >= most)) {
        await this.#oneEnds()
      }
    }
    while (this.#running > 0) await this.#oneEnds()
    return this.#counts
  }

  async #oneEnds(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#wake = resolve
    })
    this.#throwIfEnded()
  }

  #throwIfEnded(): void {
    this.#options.signal.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  #start(line: TextLine): void {
    const row = this.#ask(line)
    if (row === undefined) return
    const place = this.#started
    this.#started += 1
    this.#running += 1
    row
      .then(text => this.#put(place, text))
      .catch(error => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#running -= 1
        this.#wake()
      })
  }

  /** The row of a line; undefined if there is one already. */
  #ask({ number, text }: TextLine): Promise<string> | undefined {
    const { newId, output } = this.#options
    const read = text === undefined ? { customId: null, problem: 'it is too long' } : readBatchLine(text)
    const key = keyOf(read.customId, number)
    if (this.#seen.has(key)) {
      const message = `Line ${number} cannot be run: its custom_id has been there before.`
      const repeated = keyOf(null, number)
      if (output.done.has(repeated)) return this.#skip()
      return this.#refused(errorRow(newId(), null, 'duplicate_custom_id', message, number))
    }
    this.#seen.add(key)
    if (output.done.has(key)) return this.#skip()
    if ('problem' in read) {
      const message = `Line ${number} cannot be run: ${read.problem}.`
      return this.#refused(errorRow(newId(), read.customId, 'invalid_line', message, number))
    }
    return this.#answered(read.customId, read.url, read.body, number)
  }

  #skip(): undefined {
    this.#counts.skipped += 1
    return undefined
  }

  #refused(row: string): Promise<string> {
    this.#counts.failed += 1
    return Promise.resolve(row)
  }

  async #answered(customId: string, url: string, body: unknown, line: number): Promise<string> {
    const { newId, signal } = this.#options
    const id = newId()
    try {
      const answer = await this.#answer(id, url, body)
      if (answer.status === 200) this.#counts.answered += 1
      else this.#counts.failed += 1
      return answerRow(id, customId, answer)
    } catch (error) {
      signal.throwIfAborted()
      this.#counts.failed += 1
      return errorRow(id, customId, 'request_failed', (error as Error).message, line)
    }
  }

  async #answer(id: string, url: string, body: unknown): Promise<BatchAnswer> {
    const { handler, signal } = this.#options
    const response = await handler(
      new Request(`http://batch.invalid${url}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Request-Id': id },
        body: JSON.stringify(body),
        signal,
      }),
    )
    const text = await response.text()
    signal.throwIfAborted()
    return { status: response.status, requestId: response.headers.get('x-request-id') ?? id, body: parsed(text) }
  }

  async #put(place: number, row: string): Promise<void> {
    const { output, unordered, onRow } = this.#options
    if (unordered) {
      this.#written += 1
      await output.write(row)
      onRow?.()
      return
    }
    this.#waiting.set(place, row)
    for (let next = this.#waiting.get(this.#written); next !== undefined; next = this.#waiting.get(this.#written)) {
      this.#waiting.delete(this.#written)
      this.#written += 1
      await output.write(next)
      onRow?.()
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text === '' ? null : text
  }
}
