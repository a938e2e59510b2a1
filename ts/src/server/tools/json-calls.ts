// Calls written as JSON: an object with a name and arguments, or a list of those. Most formats put a mark before it.

import type { TagFormat } from '../protocol/structural-tag.js'
import { type Answer, parserOf } from './answer.js'
import type { Reading } from './text-cursor.js'
import type { CallTagOptions, ToolFormat } from './tool-parser.js'

/**
 * How the reading of calls ended. Malformed: it was no call, and nothing is told. Broken: it is told, and then its
 * arguments stop being JSON. Over: the text ended inside a call that is told.
 */
export type CallEnd = 'complete' | 'malformed' | 'broken' | 'over'

export interface JsonCallRules {
  /** Only objects that are plainly calls: no other keys than those of calls, and a name that the request knows. */
  readonly strict?: boolean
}

const NAME_KEYS = ['name', 'tool_name', 'function']
const ARGUMENTS_KEYS = ['arguments', 'parameters']
const OTHER_KEYS = ['type', 'id', 'tool_call_id']

/** Reads an object or a list of objects; the cursor stands at its bracket, and holds what is taken. */
export function* readCalls(answer: Answer, rules: JsonCallRules = {}): Reading<CallEnd> {
  const { cursor } = answer
  if (!(yield* cursor.accept('['))) return yield* readCall(answer, rules)
  for (let count = 0; ; count += 1) {
    yield* answer.skipSpace()
    const end = yield* readCall(answer, rules)
    if (end === 'malformed' && count > 0) {
      cursor.rewind()
      return 'complete'
    }
    if (end !== 'complete') return end
    cursor.hold()
    yield* answer.skipSpace()
    if (yield* cursor.accept(',')) continue
    yield* cursor.accept(']')
    cursor.release()
    return 'complete'
  }
}

function* readCall(answer: Answer, rules: JsonCallRules): Reading<CallEnd> {
  return (yield* answer.cursor.accept('{')) ? yield* readOpenedCall(answer, rules) : 'malformed'
}

/** Reads one object whose bracket is taken already; the cursor holds what is taken. */
export function readOpenedCall(answer: Answer, rules: JsonCallRules = {}): Reading<CallEnd> {
  return new CallObject(answer, rules).read()
}

/** A format with a mark before the JSON, and perhaps one after it. */
export function markedJsonFormat(form: {
  readonly name: string
  readonly aliases?: readonly string[]
  readonly opening: readonly string[]
  readonly closing: readonly string[]
  readonly keepsSpecialTokens?: boolean
  readonly taughtBy: (templateSource: string) => boolean
  readonly callTag: (options: CallTagOptions) => TagFormat | undefined
}): ToolFormat {
  const { name, aliases = [], opening, closing, keepsSpecialTokens = true, taughtBy, callTag } = form
  const read = function* (answer: Answer): Reading {
    for (;;) {
      const mark = yield* answer.contentUntil(opening)
      if (mark === undefined) return
      yield* readMarkedCalls(answer, mark, closing)
    }
  }
  return { name, aliases, keepsSpecialTokens, taughtBy, callTag, createParser: options => parserOf(read, options) }
}

/** Reads the calls after `mark`, and the mark that closes them; what is no call becomes content. */
export function* readMarkedCalls(answer: Answer, mark: string, closing: readonly string[]): Reading {
  answer.cursor.hold()
  yield* answer.skipSpace()
  const end = yield* readCalls(answer)
  if (end === 'malformed') answer.refuse(mark)
  else if (end === 'broken') yield* answer.brokenArguments(closing, '}]')
  else yield* answer.closing(closing)
}

class CallObject {
  readonly #answer: Answer
  readonly #strict: boolean
  #name: string | undefined
  #begun = false
  /** Arguments that stand before the name. */
  #early: string | undefined

  constructor(answer: Answer, { strict = false }: JsonCallRules) {
    this.#answer = answer
    this.#strict = strict
  }

  *read(): Reading<CallEnd> {
    const members = yield* this.#members()
    if (!members) return yield* this.#failure()
    if (this.#name === undefined) return 'malformed'
    if (!this.#begun) {
      this.#begin()
      this.#answer.arguments('{}')
    }
    return 'complete'
  }

  *#members(): Reading<boolean> {
    const { cursor } = this.#answer
    yield* this.#answer.skipSpace()
    if (yield* cursor.accept('}')) return true
    for (;;) {
      const key = yield* this.#string()
      yield* this.#answer.skipSpace()
      if (key === undefined || !(yield* cursor.accept(':'))) return false
      yield* this.#answer.skipSpace()
      if (!(yield* this.#value(key))) return false
      yield* this.#answer.skipSpace()
      if (yield* cursor.accept('}')) return true
      if (!(yield* cursor.accept(','))) return false
      yield* this.#answer.skipSpace()
    }
  }

  *#value(key: string): Reading<boolean> {
    const first = yield* this.#answer.cursor.peek()
    if (NAME_KEYS.includes(key) && this.#name === undefined) {
      // OpenAI's own form: {"type": "function", "function": {"name": ..., "arguments": ...}}.
      return key === 'function' && (yield* this.#answer.cursor.accept('{'))
        ? yield* this.#members()
        : yield* this.#nameValue()
    }
    if (ARGUMENTS_KEYS.includes(key) && !this.#begun && this.#early === undefined) {
      return yield* this.#argumentsValue(first)
    }
    if (this.#strict && !OTHER_KEYS.includes(key)) return false
    return yield* this.#answer.json(() => {})
  }

  *#nameValue(): Reading<boolean> {
    const name = yield* this.#string()
    if (name === undefined || name === '' || (this.#strict && !this.#answer.knows(name))) return false
    this.#name = name
    if (this.#early !== undefined) {
      this.#begin()
      this.#answer.arguments(this.#early)
    }
    return true
  }

  *#argumentsValue(first: string): Reading<boolean> {
    if (first === '{') {
      if (this.#name === undefined) {
        this.#early = yield* this.#answer.jsonText()
        return this.#early !== undefined
      }
      this.#begin()
      return yield* this.#answer.json(json => this.#answer.arguments(json))
    }
    const text = yield* this.#answer.jsonText()
    const object = text === undefined ? undefined : objectOf(text)
    if (object === undefined) return false
    if (this.#name === undefined) this.#early = object
    else {
      this.#begin()
      this.#answer.arguments(object)
    }
    return true
  }

  *#string(): Reading<string | undefined> {
    if ((yield* this.#answer.cursor.peek()) !== '"') return undefined
    const text = yield* this.#answer.jsonText()
    return text === undefined ? undefined : (JSON.parse(text) as string)
  }

  #begin(): void {
    this.#begun = true
    this.#answer.call(this.#name as string)
  }

  *#failure(): Reading<CallEnd> {
    if (!this.#begun) return 'malformed'
    return (yield* this.#answer.cursor.more()) ? 'broken' : 'over'
  }
}

/** The JSON object that null and a string of JSON stand for. */
function objectOf(text: string): string | undefined {
  const value = JSON.parse(text) as unknown
  if (value === null) return '{}'
  if (typeof value !== 'string') return undefined
  const inner = value.trim()
  if (inner === '') return '{}'
  try {
    const parsed = JSON.parse(inner) as unknown
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? inner : undefined
  } catch {
    return undefined
  }
}
