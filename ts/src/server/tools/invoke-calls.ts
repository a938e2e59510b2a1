// Calls as elements: <invoke name="..."> with a <parameter name="..."> for each argument, inside of an element of the format.

import { type Answer, parserOf } from './answer.js'
import type { Reading } from './text-cursor.js'
import type { ToolFormat } from './tool-parser.js'
import { TypedArguments } from './typed-arguments.js'

interface InvokeMarks {
  /** What encloses calls. */
  readonly opening: readonly string[]
  readonly closing: readonly string[]
  /** What stands before the names of elements. */
  readonly prefix: string
}

export function invokeFormat(form: InvokeMarks & Pick<ToolFormat, 'name' | 'aliases' | 'taughtBy'>): ToolFormat {
  const { name, aliases, taughtBy } = form
  return {
    name,
    aliases,
    keepsSpecialTokens: true,
    taughtBy,
    createParser: options => parserOf(answer => read(answer, form), options),
  }
}

function* read(answer: Answer, marks: InvokeMarks): Reading {
  const { opening, closing, prefix } = marks
  const invoke = `<${prefix}invoke name="`
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil([...opening, invoke])
    if (mark === undefined) return
    cursor.hold()
    yield* answer.skipSpace()
    const opened = mark === invoke || (yield* cursor.accept(invoke))
    if (opened && (yield* readInvoke(answer, prefix))) yield* answer.closing(closing)
    else answer.refuse(mark)
  }
}

function* readInvoke(answer: Answer, prefix: string): Reading<boolean> {
  const parameter = `<${prefix}parameter name="`
  const parameterEnd = `</${prefix}parameter>`
  const invokeEnd = `</${prefix}invoke>`
  const { cursor } = answer
  const name = yield* cursor.takeWhile(/^[^"<>\n]$/, 256)
  if (name === '' || !(yield* cursor.accept('">'))) return false
  yield* answer.skipSpace()
  let mark = yield* cursor.acceptAny([parameter, invokeEnd])
  if (mark === undefined) return false
  answer.call(name)
  const values = new TypedArguments(answer, name)
  while (mark === parameter) {
    const key = yield* cursor.takeWhile(/^[^"<>\n]$/, 256)
    const attributes = yield* cursor.takeWhile(/^[^<>\n]$/, 256)
    yield* cursor.accept('>')
    const text = /string="(true|false)"/.exec(attributes)?.[1]
    mark = yield* values.read(
      key,
      [parameterEnd, parameter, invokeEnd],
      text === undefined ? undefined : text === 'true',
    )
    if (mark !== parameterEnd) continue
    yield* answer.skipSpace()
    mark = yield* answer.next([parameter, invokeEnd])
  }
  values.finish()
  return true
}
