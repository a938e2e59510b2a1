// Apertus: <|tools_prefix|>[{"name": {...}}, ...]<|tools_suffix|>, where the name of the tool is the key.

import { type Answer, parserOf } from '../answer.js'
import { jsonList } from '../call-tags.js'
import type { Reading } from '../text-cursor.js'
import type { ToolFormat } from '../tool-parser.js'

const OPENING = '<|tools_prefix|>'
const CLOSING = ['<|tools_suffix|>']

export const apertus: ToolFormat = {
  name: 'apertus',
  aliases: [],
  keepsSpecialTokens: true,
  taughtBy: source => source.includes(OPENING),
  createParser: options => parserOf(read, options),
  callTag: options =>
    jsonList({ begin: OPENING, end: '<|tools_suffix|>', shape: (name, args) => ({ [name]: args }) }, options),
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil([OPENING])
    if (mark === undefined) return
    cursor.hold()
    yield* answer.skipSpace()
    const opened = yield* cursor.accept('[')
    if (opened && (yield* readCalls(answer))) yield* answer.closing(CLOSING)
    else answer.refuse(mark)
  }
}

/** Reads a list after its bracket. False: its first element is no call. */
function* readCalls(answer: Answer): Reading<boolean> {
  const { cursor } = answer
  for (let count = 0; ; count += 1) {
    const name = yield* readName(answer)
    if (name === undefined) {
      if (count > 0) cursor.rewind()
      return count > 0
    }
    answer.call(name)
    if (!(yield* answer.json(json => answer.arguments(json)))) {
      yield* answer.brokenArguments(CLOSING, ']}')
      return true
    }
    yield* answer.skipSpace()
    yield* answer.next(['}'])
    cursor.hold()
    yield* answer.skipSpace()
    if (yield* cursor.accept(',')) continue
    yield* cursor.accept(']')
    cursor.release()
    return true
  }
}

/** The key of an object whose value is an object. */
function* readName(answer: Answer): Reading<string | undefined> {
  const { cursor } = answer
  yield* answer.skipSpace()
  if (!(yield* cursor.accept('{'))) return undefined
  yield* answer.skipSpace()
  const key = (yield* cursor.peek()) === '"' ? yield* answer.jsonText() : undefined
  yield* answer.skipSpace()
  if (key === undefined || key === '""' || !(yield* cursor.accept(':'))) return undefined
  yield* answer.skipSpace()
  return (yield* cursor.peek()) === '{' ? (JSON.parse(key) as string) : undefined
}
