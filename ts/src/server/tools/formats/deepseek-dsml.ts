// DeepSeek V3.2 and V4: <｜DSML｜invoke name="..."> elements with typed parameters, inside of function_calls or tool_calls.

import { type Answer, parserOf } from '../answer.js'
import type { Reading } from '../text-cursor.js'
import type { ToolFormat } from '../tool-parser.js'
import { TypedArguments } from '../typed-arguments.js'

const OPENING = ['<｜DSML｜function_calls>', '<｜DSML｜tool_calls>']
const CLOSING = ['</｜DSML｜function_calls>', '</｜DSML｜tool_calls>']
const INVOKE = '<｜DSML｜invoke name="'
const INVOKE_END = '</｜DSML｜invoke>'
const PARAMETER = '<｜DSML｜parameter name="'
const PARAMETER_END = '</｜DSML｜parameter>'

export const deepseekDsml: ToolFormat = {
  name: 'deepseek_v32',
  aliases: ['deepseek_v4'],
  keepsSpecialTokens: true,
  taughtBy: source => source.includes('｜DSML｜'),
  createParser: options => parserOf(read, options),
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil([...OPENING, INVOKE])
    if (mark === undefined) return
    cursor.hold()
    yield* answer.skipSpace()
    const opened = mark === INVOKE || (yield* cursor.accept(INVOKE))
    if (opened && (yield* readInvoke(answer))) yield* answer.closing(CLOSING)
    else answer.refuse(mark)
  }
}

function* readInvoke(answer: Answer): Reading<boolean> {
  const { cursor } = answer
  const name = yield* cursor.takeWhile(/^[^"<>\n]$/, 256)
  if (name === '' || !(yield* cursor.accept('">'))) return false
  yield* answer.skipSpace()
  let mark = yield* cursor.acceptAny([PARAMETER, INVOKE_END])
  if (mark === undefined) return false
  answer.call(name)
  const values = new TypedArguments(answer, name)
  while (mark === PARAMETER) {
    const key = yield* cursor.takeWhile(/^[^"<>\n]$/, 256)
    const attributes = yield* cursor.takeWhile(/^[^<>\n]$/, 256)
    yield* cursor.accept('>')
    const text = /string="(true|false)"/.exec(attributes)?.[1]
    mark = yield* values.read(
      key,
      [PARAMETER_END, PARAMETER, INVOKE_END],
      text === undefined ? undefined : text === 'true',
    )
    if (mark !== PARAMETER_END) continue
    yield* answer.skipSpace()
    mark = yield* answer.next([PARAMETER, INVOKE_END])
  }
  values.finish()
  return true
}
