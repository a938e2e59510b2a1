// Calls of Gemma's models: call:name{key:value,...} between marks, with strings between marks of their own. A call is told
// when it is whole.

import { type Answer, parserOf } from './answer.js'
import { type Reading, SPACE, type TextCursor } from './text-cursor.js'
import type { JsonObject, ToolFormat } from './tool-parser.js'
import { jsonOfText, typesOf } from './typed-value.js'

const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/
const MAX_DEPTH = 64

interface GemmaMarks {
  readonly name: string
  readonly opening: string
  readonly closing: string
  /** Stands before and after a string. */
  readonly quote: string
  /** Every value is written as a string: the tool's schema says what it is. */
  readonly quotesAll?: boolean
}

export function gemmaFormat(marks: GemmaMarks): ToolFormat {
  return {
    name: marks.name,
    aliases: [],
    keepsSpecialTokens: true,
    taughtBy: source => source.includes(marks.opening),
    createParser: options => parserOf(answer => read(answer, marks), options),
  }
}

function* read(answer: Answer, { opening, closing, quote, quotesAll = false }: GemmaMarks): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil([opening])
    if (mark === undefined) return
    cursor.hold()
    yield* answer.skipSpace()
    yield* cursor.accept('call:')
    const name = yield* cursor.takeWhile(/^[\w.-]$/, 256)
    const parameters = quotesAll ? answer.tools.find(tool => tool.name === name)?.parameters : undefined
    const isObject = (yield* cursor.peek()) === '{'
    const json = isObject ? yield* new ValueReader(cursor, quote, parameters).read(0) : undefined
    if (name === '' || json === undefined) answer.refuse(mark)
    else {
      answer.call(name)
      answer.arguments(json)
      yield* answer.closing([closing])
    }
  }
}

/** Reads values as JSON; undefined for what is none, or where the text ends in it. */
class ValueReader {
  readonly #cursor: TextCursor
  readonly #quote: string
  readonly #parameters: JsonObject | undefined

  constructor(cursor: TextCursor, quote: string, parameters: JsonObject | undefined) {
    this.#cursor = cursor
    this.#quote = quote
    this.#parameters = parameters
  }

  *read(depth: number): Reading<string | undefined> {
    const cursor = this.#cursor
    if (depth > MAX_DEPTH) return undefined
    if (yield* cursor.accept('{')) return yield* this.#members('}', depth)
    if (yield* cursor.accept('[')) return yield* this.#members(']', depth)
    if (yield* cursor.accept(this.#quote)) return yield* this.#string()
    const word = yield* cursor.takeWhile(/^[\w.+-]$/, 400)
    return SCALAR.test(word) ? word : word === 'None' ? 'null' : undefined
  }

  /** What an opened object or list has, and its end. */
  *#members(end: '}' | ']', depth: number): Reading<string | undefined> {
    const cursor = this.#cursor
    const members: string[] = []
    for (;;) {
      yield* cursor.skip(SPACE)
      if (yield* cursor.accept(end)) return `${end === '}' ? '{' : '['}${members.join(', ')}${end}`
      let key: string | undefined
      if (end === '}') {
        key = yield* this.#key()
        if (key === undefined) return undefined
      }
      yield* cursor.skip(SPACE)
      const value = yield* this.read(depth + 1)
      if (value === undefined) return undefined
      members.push(key === undefined ? value : `${key}: ${depth === 0 ? this.#typed(key, value) : value}`)
      yield* cursor.skip(SPACE)
      if (!(yield* cursor.accept(',')) && (yield* cursor.peek()) !== end) return undefined
    }
  }

  *#key(): Reading<string | undefined> {
    const cursor = this.#cursor
    if (yield* cursor.accept(this.#quote)) {
      const key = yield* this.#string()
      return key !== undefined && (yield* cursor.accept(':')) ? key : undefined
    }
    const key = yield* cursor.takeWhile(/^[^:{}[\],\n]$/, 256)
    return key !== '' && (yield* cursor.accept(':')) ? JSON.stringify(key.trim()) : undefined
  }

  *#string(): Reading<string | undefined> {
    let text = ''
    const mark = yield* this.#cursor.takeUntil([this.#quote], part => {
      text += part
    })
    return mark === undefined ? undefined : JSON.stringify(text)
  }

  /** A string for a parameter that is none. */
  #typed(key: string, value: string): string {
    if (this.#parameters === undefined || !value.startsWith('"')) return value
    const types = typesOf(this.#parameters, JSON.parse(key) as string)
    return types.has('string') ? value : jsonOfText(JSON.parse(value) as string, types)
  }
}
