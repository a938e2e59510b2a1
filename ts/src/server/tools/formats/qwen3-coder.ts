// Qwen3-coder and those like it (Qwen 3.5, Step 3.5, Nemotron 3, Seed-OSS): XML-like calls,
// <tool_call><function=name><parameter=key>value</parameter>...</function></tool_call>. Functionary 3.1 has a JSON object
// in place of parameters. Values have the types of the tool's schema.

import type { TagFormat } from '../../protocol/structural-tag.js'
import { type Answer, parserOf } from '../answer.js'
import { namedElements, textElements } from '../call-tags.js'
import type { Reading } from '../text-cursor.js'
import type { CallTagOptions, ToolFormat } from '../tool-parser.js'
import { TypedArguments } from '../typed-arguments.js'

const OPENING = ['<tool_call>', '<seed:tool_call>']
const CLOSING = ['</tool_call>', '</seed:tool_call>']
const FUNCTION = '<function='
const FUNCTION_END = '</function>'
const PARAMETER = '<parameter='
const PARAMETER_END = '</parameter>'

export const qwen3Coder: ToolFormat = {
  name: 'qwen3_coder',
  aliases: ['qwen3_xml', 'seed_oss', 'step3p5', 'nemotron_v3', 'functionary_v3_1'],
  keepsSpecialTokens: true,
  taughtBy: source => source.includes(FUNCTION) || source.includes('<{start_tag}={function_name}>'),
  createParser: options => parserOf(read, options),
  callTag,
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil([...OPENING, FUNCTION])
    if (mark === undefined) return
    cursor.hold()
    yield* answer.skipSpace()
    const opened = mark === FUNCTION || (yield* cursor.accept(FUNCTION))
    if (opened && (yield* readFunction(answer))) yield* answer.closing(CLOSING)
    else answer.refuse(mark)
  }
}

function* readFunction(answer: Answer): Reading<boolean> {
  const { cursor } = answer
  const name = (yield* cursor.takeWhile(/^[^<>\n]$/, 256)).trim()
  if (name === '' || !(yield* cursor.accept('>'))) return false
  yield* answer.skipSpace()
  if ((yield* cursor.peek()) === '{') {
    answer.call(name)
    if (yield* answer.json(json => answer.arguments(json))) yield* answer.closing([FUNCTION_END])
    else yield* answer.brokenArguments([FUNCTION_END], '')
    return true
  }
  const next = yield* cursor.acceptAny([PARAMETER, FUNCTION_END])
  if (next === undefined) return false
  answer.call(name)
  yield* readParameters(answer, name, next)
  return true
}

function* readParameters(answer: Answer, name: string, first: string): Reading {
  const { cursor } = answer
  const values = new TypedArguments(answer, name)
  let mark: string | undefined = first
  while (mark === PARAMETER) {
    const key = yield* cursor.takeWhile(/^[^>\n]$/, 256)
    yield* cursor.accept('>')
    // A model that forgets to close a value goes on with the next parameter or the end.
    mark = yield* values.read(key.trim(), [PARAMETER_END, PARAMETER, FUNCTION_END])
    if (mark !== PARAMETER_END) continue
    yield* answer.skipSpace()
    mark = yield* answer.next([PARAMETER, FUNCTION_END])
  }
  values.finish()
}

function callTag(options: CallTagOptions): TagFormat {
  const { templateSource } = options
  const begin = (name: string) => `${FUNCTION}${name}>`
  const wrapper = ['seed:tool_call', 'tool_call'].find(element => templateSource.includes(`<${element}>`))
  if (wrapper === undefined) return namedElements({ begin, end: FUNCTION_END, separator: '' }, options)
  return textElements(
    {
      begin: name => `<${wrapper}>\n${begin(name)}\n`,
      end: `${FUNCTION_END}\n</${wrapper}>`,
      separator: '\n',
    },
    options,
  )
}
