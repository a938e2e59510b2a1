// Llama 3: {"name": ..., "parameters": {...}} without a mark, or after <|python_tag|>; several are parted by semicolons.
// As nothing marks them, only objects with the keys of a call and the name of a tool are calls.

import { type Answer, parserOf } from '../answer.js'
import { nameAndParameters } from '../call-schemas.js'
import { jsonElements } from '../call-tags.js'
import { readOpenedCall } from '../json-calls.js'
import { type Reading, SPACE } from '../text-cursor.js'
import type { ToolFormat } from '../tool-parser.js'

const PYTHON_TAG = '<|python_tag|>'

export const llama3Json: ToolFormat = {
  name: 'llama3_json',
  aliases: ['llama4_json', 'llama3', 'llama'],
  keepsSpecialTokens: false,
  taughtBy: source => /\{"name": function name, "parameters"/.test(source),
  createParser: options => parserOf(read, options),
  callTag: options => jsonElements({ begin: '', end: '', separator: '; ', shape: nameAndParameters }, options),
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil(['{', PYTHON_TAG])
    if (mark === undefined) return
    cursor.hold()
    if (mark === PYTHON_TAG) yield* answer.skipSpace()
    const opened = mark === '{' || (yield* cursor.accept('{'))
    const end = opened ? yield* readOpenedCall(answer, { strict: true }) : 'malformed'
    if (end === 'malformed') answer.refuse(mark)
    else if (end === 'broken') yield* answer.brokenArguments([PYTHON_TAG], '}')
    else yield* cursor.skip(`${SPACE};`)
  }
}
