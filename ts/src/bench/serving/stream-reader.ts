// Measures one streamed answer. While tokens come, an event is looked at as bytes; JSON is parsed where a word of it matters:
// before the first token, for usage, for errors. Texts are put together once the answer has ended.

import type { Exchange } from '../http/connection-pool.js'
import { EventSplitter } from '../http/event-splitter.js'
import { readErrorMessage, readStreamEvent } from '../openai-wire.js'
import type { RequestRecord } from './request-record.js'

/** In a string of JSON these quotes would be escaped. */
const HAS_CHOICE = /"choices":\s*\[\s*\{/
const HAS_USAGE = /"usage":\s*\{/
const DONE = '[DONE]'
const MOST_ERROR_BYTES = 64 * 1024

export class StreamReader implements Exchange {
  readonly #record: RequestRecord
  readonly #now: () => number
  readonly #ended: () => void
  readonly #splitter = new EventSplitter((bytes, start, end) => this.#event(bytes.toString('latin1', start, end)))
  /** The data of events with a choice, UTF-8 as Latin-1: of use if nothing tells how many tokens they have. */
  readonly #choices: string[] = []
  readonly #keepText: boolean
  #status = 0
  #reason = ''
  #lastMs: number
  #readMs = 0

  constructor(record: RequestRecord, now: () => number, keepText: boolean, ended: () => void) {
    this.#record = record
    this.#now = now
    this.#keepText = keepText
    this.#ended = ended
    this.#lastMs = record.startMs
  }

  head(status: number): void {
    this.#status = status
  }

  body(bytes: Buffer, start: number, end: number): void {
    if (this.#status !== 200) {
      if (this.#reason.length < MOST_ERROR_BYTES) this.#reason += bytes.toString('utf8', start, end)
      return
    }
    this.#readMs = this.#now()
    this.#splitter.push(bytes, start, end)
  }

  complete(): void {
    const record = this.#record
    if (this.#status !== 200) this.#fail(`HTTP ${this.#status}: ${readErrorMessage(this.#reason)}`)
    else if (record.ttftMs === undefined) this.#fail('the answer has no token')
    this.#end()
  }

  failed(error: Error): void {
    const { code } = error as NodeJS.ErrnoException
    this.#fail(code === undefined ? error.message : `${code}: ${error.message}`)
    this.#end()
  }

  #fail(reason: string): void {
    this.#record.error ??= reason
  }

  #end(): void {
    const record = this.#record
    record.latencyMs = this.#lastMs - record.startMs
    if (this.#keepText || record.outputTokens === undefined) record.text = this.#text()
    this.#ended()
  }

  #event(data: string): void {
    if (data === DONE) return
    const record = this.#record
    if (record.ttftMs === undefined || HAS_USAGE.test(data) || !HAS_CHOICE.test(data)) {
      if (!this.#parsed(data)) return
    }
    this.#choices.push(data)
    if (record.ttftMs === undefined) record.ttftMs = this.#readMs - record.startMs
    else record.itlsMs.push(this.#readMs - this.#lastMs)
    this.#lastMs = this.#readMs
  }

  /** True if the event counts as a token. */
  #parsed(data: string): boolean {
    const record = this.#record
    const { hasChoice, opensOnly, usage, error } = readStreamEvent(fromLatin1(data))
    if (error !== undefined) this.#fail(error)
    if (usage?.completionTokens !== undefined) record.outputTokens = usage.completionTokens
    if (usage?.promptTokens !== undefined) record.promptTokens = usage.promptTokens
    // A server may open a chat's answer before it has a token: that is not the first one.
    return hasChoice && !(opensOnly && record.ttftMs === undefined)
  }

  #text(): string {
    return this.#choices
      .map(data => {
        const { text, reasoning } = readStreamEvent(fromLatin1(data))
        return reasoning + text
      })
      .join('')
  }
}

function fromLatin1(data: string): string {
  return Buffer.from(data, 'latin1').toString('utf8')
}
