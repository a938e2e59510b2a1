// One answer of the model while it is read: its text, and what was told of it. Formats of calls are coroutines over it.

import { randomCallId } from './call-id.js'
import { JsonScanner } from './json-scanner.js'
import { type Reading, SPACE, TextCursor } from './text-cursor.js'
import type { ToolDefinition, ToolEvent, ToolParser, ToolParserOptions } from './tool-parser.js'

export class Answer {
  readonly cursor = new TextCursor()
  readonly tools: readonly ToolDefinition[]
  readonly #parallel: boolean
  readonly #newCallId: () => string
  #events: ToolEvent[] = []
  #numCalls = 0
  /** White space that is content if content follows, and markup if a call does. */
  #space = ''

  constructor({ tools, parallelToolCalls, newCallId }: ToolParserOptions) {
    this.tools = tools
    this.#parallel = parallelToolCalls ?? true
    this.#newCallId = newCallId ?? randomCallId
  }

  /** True if the request has a tool of this name, or names none at all. */
  knows(name: string): boolean {
    return this.tools.length === 0 || this.tools.some(tool => tool.name === name)
  }

  content(text: string): void {
    const end = endWithoutSpace(text)
    if (end === 0) this.#space += text
    else {
      this.#emitContent(this.#space + text.slice(0, end))
      this.#space = text.slice(end)
    }
  }

  /** Begins a call. What was held for it is markup now. */
  call(name: string, id?: string): void {
    this.cursor.release()
    this.#space = ''
    this.#numCalls += 1
    if (this.#tellsCall)
      this.#events.push({ kind: 'call', index: this.#numCalls - 1, id: id ?? this.#newCallId(), name })
  }

  /** Goes on with the arguments of the last call. */
  arguments(text: string): void {
    if (text === '' || !this.#tellsCall) return
    const index = this.#numCalls - 1
    const last = this.#events.at(-1)
    if (last?.kind === 'arguments' && last.index === index)
      this.#events.splice(-1, 1, { ...last, text: last.text + text })
    else this.#events.push({ kind: 'arguments', index, text })
  }

  /** The text is over. White space after calls belongs to them. */
  finish(): void {
    if (this.#numCalls === 0) this.#emitContent(this.#space)
  }

  takeEvents(): readonly ToolEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  /** Content up to a mark, which is taken; undefined at the end of the text. */
  contentUntil(marks: readonly string[]): Reading<string | undefined> {
    return this.cursor.takeUntil(marks, text => this.content(text))
  }

  /** What began with `mark` is no call: the mark is content, what follows it is read again. */
  refuse(mark: string): void {
    this.cursor.rewind()
    this.content(mark)
  }

  skipSpace(): Reading {
    return this.cursor.skip(SPACE)
  }

  /** Gives one JSON value to `onJson` as it comes. False: it is not JSON, or the text ended in it. */
  *json(onJson: (json: string) => void): Reading<boolean> {
    const { cursor } = this
    const scanner = new JsonScanner()
    while (scanner.state === 'open' && (yield* cursor.more())) {
      const { length, json } = scanner.read(cursor.unread)
      cursor.take(length)
      onJson(json)
    }
    scanner.finish()
    return scanner.state === 'complete'
  }

  /** One JSON value, whole; undefined if it is not JSON. */
  *jsonText(): Reading<string | undefined> {
    let text = ''
    const complete = yield* this.json(json => {
      text += json
    })
    return complete ? text : undefined
  }

  /**
   * Takes the first of `words` that is next in a call that is told. The beginning of one at the end of the text belongs to
   * the call as well.
   */
  *next(words: readonly string[]): Reading<string | undefined> {
    const { cursor } = this
    const word = yield* cursor.acceptAny(words)
    if (word === undefined && words.some(one => one.startsWith(cursor.unread))) cursor.take()
    return word
  }

  /** Skips the mark that closes a call, with brackets too many before it. A mark that is missing is not missed. */
  *closing(marks: readonly string[]): Reading {
    const { cursor } = this
    cursor.hold()
    yield* cursor.skip(`${SPACE}}]`)
    const mark = yield* this.next(marks)
    if (mark !== undefined || cursor.isEmpty) cursor.release()
    else cursor.rewind()
  }

  /**
   * The arguments of a call that is already told stop being JSON. They go on as the model wrote them, up to the call's
   * closing mark, which is taken: whoever runs the tool sees what is wrong. `brackets`: what else stands between
   * arguments and mark.
   */
  *brokenArguments(marks: readonly string[], brackets: string): Reading<string | undefined> {
    let rest = ''
    const mark = yield* this.cursor.takeUntil(marks, text => {
      rest += text
    })
    rest = rest.slice(0, endWithoutSpace(rest))
    for (const bracket of brackets) {
      if (rest.endsWith(bracket)) rest = rest.slice(0, endWithoutSpace(rest.slice(0, -1)))
    }
    this.arguments(rest)
    return mark
  }

  get #tellsCall(): boolean {
    return this.#parallel || this.#numCalls === 1
  }

  #emitContent(text: string): void {
    if (text === '') return
    const last = this.#events.at(-1)
    if (last?.kind === 'content') this.#events.splice(-1, 1, { kind: 'content', text: last.text + text })
    else this.#events.push({ kind: 'content', text })
  }
}

/** A parser from a coroutine that reads an answer to its end. */
export function parserOf(read: (answer: Answer) => Reading, options: ToolParserOptions): ToolParser {
  const answer = new Answer(options)
  const reading = read(answer)
  return {
    push: delta => {
      answer.cursor.append(delta)
      reading.next()
      return answer.takeEvents()
    },
    finish: () => {
      answer.cursor.end()
      reading.next()
      answer.finish()
      return answer.takeEvents()
    },
  }
}

function endWithoutSpace(text: string): number {
  let end = text.length
  while (end > 0 && SPACE.includes(text.charAt(end - 1))) end -= 1
  return end
}
