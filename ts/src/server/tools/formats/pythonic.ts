// Pythonic calls (Llama 3.2 and 4, ToolACE, LFM 2): a list such as [get_weather(city="Paris"), now()], bare or between
// special tokens. As nothing has to mark them, only names of tools are calls; a call is told when it is whole.

import { constant, inGrammar, sequence, type TagFormat } from '../../protocol/structural-tag.js'
import { type Answer, parserOf } from '../answer.js'
import { pythonCallsGrammar } from '../python-grammar.js'
import { readComma, readPythonValue } from '../python-literal.js'
import type { Reading } from '../text-cursor.js'
import type { CallTagOptions, JsonObject, ToolFormat } from '../tool-parser.js'

const OPENING = ['<|python_start|>', '<|tool_call_start|>']
const CLOSING = ['<|python_end|>', '<|tool_call_end|>']

/** How the templates of Llama 3.2, ToolACE and both generations of LFM 2 speak of it. */
const TEACHINGS = [
  'python list of the calls',
  'python list for function calls',
  '[func_name1(',
  '<|tool_list_start|>',
  'List of tools: [',
]

export const pythonic: ToolFormat = {
  name: 'pythonic',
  aliases: ['llama4_pythonic', 'olmo3', 'lfm2', 'toolace'],
  keepsSpecialTokens: false,
  taughtBy: source => TEACHINGS.some(line => source.includes(line)),
  createParser: options => parserOf(read, options),
  callTag,
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil(['[', ...OPENING])
    if (mark === undefined) return
    cursor.hold()
    if (mark !== '[') yield* answer.skipSpace()
    const opened = mark === '[' || (yield* cursor.accept('['))
    if (opened && (yield* readCalls(answer))) yield* answer.closing(CLOSING)
    else answer.refuse(mark)
  }
}

/** Reads a list after its bracket. False: its first element is no call. */
function* readCalls(answer: Answer): Reading<boolean> {
  const { cursor } = answer
  for (let count = 0; ; count += 1) {
    yield* answer.skipSpace()
    const call = yield* readCall(answer)
    if (call === undefined) {
      if (count > 0) cursor.rewind()
      return count > 0
    }
    answer.call(call.name)
    answer.arguments(call.json)
    cursor.hold()
    yield* answer.skipSpace()
    if (yield* cursor.accept(',')) continue
    yield* cursor.accept(']')
    cursor.release()
    return true
  }
}

function* readCall(answer: Answer): Reading<{ readonly name: string; readonly json: string } | undefined> {
  const { cursor } = answer
  const name = yield* cursor.takeWhile(/^[\w.-]$/, 256)
  if (name === '' || !answer.knows(name)) return undefined
  yield* answer.skipSpace()
  if (!(yield* cursor.accept('('))) return undefined
  const positions = positionsOf(answer.tools.find(tool => tool.name === name)?.parameters)
  const members: string[] = []
  for (;;) {
    yield* answer.skipSpace()
    if (yield* cursor.accept(')')) return { name, json: `{${members.join(', ')}}` }
    const argument = yield* readArgument(answer, positions[members.length])
    if (argument === undefined || !(yield* readComma(cursor, ')'))) return undefined
    members.push(argument)
  }
}

/** Reads `name=value`, or a value alone where `position` names it. */
function* readArgument(answer: Answer, position: string | undefined): Reading<string | undefined> {
  const { cursor } = answer
  let key = position
  if (/^[A-Za-z_]$/.test(yield* cursor.peek())) {
    const word = yield* cursor.takeWhile(/^\w$/, 256)
    yield* answer.skipSpace()
    if (yield* cursor.accept('=')) {
      key = word
      yield* answer.skipSpace()
    } else return undefined
  }
  const value = yield* readPythonValue(cursor)
  return key === undefined || value === undefined ? undefined : `${JSON.stringify(key)}: ${value}`
}

/** What values without a name are called: the schema's properties, in order. */
function positionsOf(parameters: JsonObject | undefined): readonly string[] {
  const properties = parameters?.properties
  return typeof properties === 'object' && properties !== null ? Object.keys(properties) : []
}

function callTag({ tools, parallelToolCalls, templateSource }: CallTagOptions): TagFormat | undefined {
  const names = tools.map(({ name }) => name).filter(name => /^[\w.-]{1,256}$/.test(name))
  if (names.length === 0) return undefined
  const calls = inGrammar(pythonCallsGrammar(names, parallelToolCalls))
  const index = OPENING.findIndex(mark => templateSource.includes(mark))
  if (index < 0) return calls
  return sequence(constant(OPENING[index] as string), calls, constant(CLOSING[index] as string))
}
