// Gemma 4: <|tool_call>call:name{key:value,...}<tool_call|>, with strings between <|"|>. A call is told when it is whole.

import { type Answer, parserOf } from '../answer.js'
import { type Reading, SPACE, type TextCursor } from '../text-cursor.js'
import type { ToolFormat } from '../tool-parser.js'

const OPENING = '<|tool_call>'
const CLOSING = ['<tool_call|>']
const QUOTE = '<|"|>'
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/
const MAX_DEPTH = 64

export const gemma4: ToolFormat = {
  name: 'gemma4',
  aliases: [],
  keepsSpecialTokens: true,
  taughtBy: source => source.includes(OPENING),
  createParser: options => parserOf(read, options),
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil([OPENING])
    if (mark === undefined) return
    cursor.hold()
    yield* answer.skipSpace()
    yield* cursor.accept('call:')
    const name = yield* cursor.takeWhile(/^[\w.-]$/, 256)
    const json = (yield* cursor.peek()) === '{' ? yield* readValue(cursor, 0) : undefined
    if (name === '' || json === undefined) answer.refuse(mark)
    else {
      answer.call(name)
      answer.arguments(json)
      yield* answer.closing(CLOSING)
    }
  }
}

/** The JSON of one value; undefined if it is none, or the text ends in it. */
function* readValue(cursor: TextCursor, depth: number): Reading<string | undefined> {
  if (depth > MAX_DEPTH) return undefined
  if (yield* cursor.accept('{')) return yield* readMembers(cursor, '}', depth)
  if (yield* cursor.accept('[')) return yield* readMembers(cursor, ']', depth)
  if (yield* cursor.accept(QUOTE)) return yield* readString(cursor)
  const word = yield* cursor.takeWhile(/^[\w.+-]$/, 400)
  return SCALAR.test(word) ? word : word === 'None' ? 'null' : undefined
}

/** Reads what an opened object or list has, and its end. */
function* readMembers(cursor: TextCursor, end: '}' | ']', depth: number): Reading<string | undefined> {
  const members: string[] = []
  for (;;) {
    yield* cursor.skip(SPACE)
    if (yield* cursor.accept(end)) return `${end === '}' ? '{' : '['}${members.join(', ')}${end}`
    let key = ''
    if (end === '}') {
      const name = yield* readKey(cursor)
      if (name === undefined) return undefined
      key = `${name}: `
    }
    yield* cursor.skip(SPACE)
    const value = yield* readValue(cursor, depth + 1)
    if (value === undefined) return undefined
    members.push(key + value)
    yield* cursor.skip(SPACE)
    if (!(yield* cursor.accept(',')) && (yield* cursor.peek()) !== end) return undefined
  }
}

function* readKey(cursor: TextCursor): Reading<string | undefined> {
  if (yield* cursor.accept(QUOTE)) {
    const key = yield* readString(cursor)
    return key !== undefined && (yield* cursor.accept(':')) ? key : undefined
  }
  const key = yield* cursor.takeWhile(/^[^:{}[\],\n]$/, 256)
  return key !== '' && (yield* cursor.accept(':')) ? JSON.stringify(key.trim()) : undefined
}

function* readString(cursor: TextCursor): Reading<string | undefined> {
  let text = ''
  const mark = yield* cursor.takeUntil([QUOTE], part => {
    text += part
  })
  return mark === undefined ? undefined : JSON.stringify(text)
}
