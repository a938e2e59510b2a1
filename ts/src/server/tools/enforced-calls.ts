// Calls that a grammar enforces: the parsers of answers that are such a list of calls, or the arguments of one.

import { type Answer, parserOf } from './answer.js'
import { readCalls } from './json-calls.js'
import type { Reading } from './text-cursor.js'
import type { ToolParser, ToolParserOptions } from './tool-parser.js'

export function requiredCallsParser(options: ToolParserOptions): ToolParser {
  return parserOf(readRequired, options)
}

export function namedCallParser(name: string, options: ToolParserOptions): ToolParser {
  return parserOf(answer => readNamed(answer, name), options)
}

function* readRequired(answer: Answer): Reading {
  const { cursor } = answer
  cursor.hold()
  yield* answer.skipSpace()
  const end = yield* readCalls(answer)
  if (end === 'malformed') cursor.rewind()
  else if (end === 'broken') yield* answer.brokenArguments([], '}]')
  yield* answer.contentUntil([])
}

function* readNamed(answer: Answer, name: string): Reading {
  yield* answer.skipSpace()
  if (!(yield* answer.cursor.more())) return
  answer.call(name)
  if (!(yield* answer.json(json => answer.arguments(json)))) yield* answer.brokenArguments([], '')
  yield* answer.contentUntil([])
}
