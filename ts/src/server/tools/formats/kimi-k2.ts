// Kimi K2: a section of calls, each with its id (functions.name:index) and its arguments between special tokens.

import { constant, jsonOf, matching, oneOrMore, sequence, type TagFormat } from '../../protocol/structural-tag.js'
import { type Answer, parserOf } from '../answer.js'
import { argumentsSchema } from '../call-schemas.js'
import type { Reading } from '../text-cursor.js'
import type { CallTagOptions, ToolFormat } from '../tool-parser.js'

const SECTION_BEGIN = ['<|tool_calls_section_begin|>', '<|tool_call_section_begin|>']
const SECTION_END = ['<|tool_calls_section_end|>', '<|tool_call_section_end|>']
const CALL_BEGIN = '<|tool_call_begin|>'
const ARGUMENTS_BEGIN = '<|tool_call_argument_begin|>'
const CALL_END = ['<|tool_call_end|>']
const ID = /^(?:functions\.)?([\w.-]+?)(?::\d+)?$/

export const kimiK2: ToolFormat = {
  name: 'kimi_k2',
  aliases: ['kimi'],
  keepsSpecialTokens: true,
  taughtBy: source => source.includes('tool_calls_section_begin'),
  createParser: options => parserOf(read, options),
  callTag,
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil([...SECTION_BEGIN, CALL_BEGIN])
    if (mark === undefined) return
    cursor.hold()
    yield* answer.skipSpace()
    const opened = mark === CALL_BEGIN || (yield* cursor.accept(CALL_BEGIN))
    if (opened && (yield* readCall(answer))) yield* answer.closing(SECTION_END)
    else answer.refuse(mark)
  }
}

function* readCall(answer: Answer): Reading<boolean> {
  const { cursor } = answer
  yield* answer.skipSpace()
  const id = yield* cursor.takeWhile(/^[\w.:-]$/, 256)
  const name = ID.exec(id)?.[1]
  yield* answer.skipSpace()
  if (name === undefined || !(yield* cursor.accept(ARGUMENTS_BEGIN))) return false
  yield* answer.skipSpace()
  if ((yield* cursor.peek()) !== '{') return false
  answer.call(name, id)
  if (yield* answer.json(json => answer.arguments(json))) yield* answer.closing(CALL_END)
  else yield* answer.brokenArguments(CALL_END, '')
  return true
}

function callTag(options: CallTagOptions): TagFormat {
  const tags = options.tools.map(tool => ({
    begin: `${CALL_BEGIN}functions.${tool.name}:`,
    content: sequence(matching('[0-9]{1,4}'), constant(ARGUMENTS_BEGIN), jsonOf(argumentsSchema(tool))),
    end: '<|tool_call_end|>',
  }))
  return sequence(
    constant('<|tool_calls_section_begin|>'),
    oneOrMore(tags, '', options.parallelToolCalls),
    constant('<|tool_calls_section_end|>'),
  )
}
