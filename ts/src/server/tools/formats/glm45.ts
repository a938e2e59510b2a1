// GLM 4.5 and later: <tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value>...</tool_call>. Values have the
// types of the tool's schema.

import { type Answer, parserOf } from '../answer.js'
import { textElements } from '../call-tags.js'
import type { Reading } from '../text-cursor.js'
import type { ToolFormat } from '../tool-parser.js'
import { TypedArguments } from '../typed-arguments.js'

const OPENING = '<tool_call>'
const CLOSING = '</tool_call>'
const KEY = '<arg_key>'
const VALUE_END = '</arg_value>'

export const glm45: ToolFormat = {
  name: 'glm45',
  aliases: ['glm46', 'glm47', 'glm4_moe'],
  keepsSpecialTokens: true,
  taughtBy: source => source.includes(KEY),
  createParser: options => parserOf(read, options),
  callTag: options => textElements({ begin: name => `${OPENING}${name}`, end: CLOSING, separator: '\n' }, options),
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil([OPENING])
    if (mark === undefined) return
    cursor.hold()
    if (!(yield* readCall(answer))) answer.refuse(mark)
  }
}

function* readCall(answer: Answer): Reading<boolean> {
  const { cursor } = answer
  yield* answer.skipSpace()
  const name = yield* cursor.takeWhile(/^[\w.-]$/, 256)
  yield* answer.skipSpace()
  const next = name === '' ? undefined : yield* cursor.acceptAny([KEY, CLOSING])
  if (next === undefined) return false
  answer.call(name)
  const values = new TypedArguments(answer, name)
  let mark: string | undefined = next
  while (mark === KEY) {
    let key = ''
    yield* cursor.takeUntil(['</arg_key>', '<arg_value>'], part => {
      key += part
    })
    yield* answer.skipSpace()
    yield* cursor.accept('<arg_value>')
    mark = yield* values.read(key.trim(), [VALUE_END, KEY, CLOSING])
    if (mark !== VALUE_END) continue
    yield* answer.skipSpace()
    mark = yield* answer.next([KEY, CLOSING])
  }
  values.finish()
  return true
}
