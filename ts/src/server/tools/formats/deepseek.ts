// DeepSeek V3, R1 and V3.1: special tokens around each call and around all of them. V3 writes the type, the name and the
// arguments in a code block, V3.1 the name and the bare arguments.

import { constant, sequence, type TagFormat } from '../../protocol/structural-tag.js'
import { type Answer, parserOf } from '../answer.js'
import { namedElements } from '../call-tags.js'
import type { Reading } from '../text-cursor.js'
import type { CallTagOptions, ToolFormat } from '../tool-parser.js'

const CALLS_BEGIN = ['<｜tool▁calls▁begin｜>', '<｜tool_calls_begin｜>']
const CALLS_END = ['<｜tool▁calls▁end｜>', '<｜tool_calls_end｜>']
const CALL_BEGIN = ['<｜tool▁call▁begin｜>', '<｜tool_call_begin｜>']
const CALL_END = ['<｜tool▁call▁end｜>', '<｜tool_call_end｜>']
const SEPARATOR = ['<｜tool▁sep｜>', '<｜tool_sep｜>']
const HEAD_LIMIT = 256

export const deepseek: ToolFormat = {
  name: 'deepseek_v3',
  aliases: ['deepseek_v31', 'deepseek_r1'],
  keepsSpecialTokens: true,
  taughtBy: source => source.includes('tool▁call▁begin'),
  createParser: options => parserOf(read, options),
  callTag,
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  for (;;) {
    const mark = yield* answer.contentUntil([...CALLS_BEGIN, ...CALL_BEGIN])
    if (mark === undefined) return
    cursor.hold()
    const opened = CALL_BEGIN.includes(mark)
    yield* answer.skipSpace()
    if (!opened && (yield* cursor.acceptAny(CALL_BEGIN)) === undefined) {
      answer.refuse(mark)
      continue
    }
    if (yield* readCall(answer)) yield* answer.closing(CALLS_END)
    else answer.refuse(mark)
  }
}

/** Reads what follows the mark of one call. False: it is no call. */
function* readCall(answer: Answer): Reading<boolean> {
  const { cursor } = answer
  const head = yield* cursor.takeWhile(/^[^<\n]$/, HEAD_LIMIT)
  if ((yield* cursor.acceptAny(SEPARATOR)) === undefined) return false
  yield* answer.skipSpace()
  let name = head.trim()
  if ((yield* cursor.peek()) !== '{') {
    name = (yield* cursor.takeWhile(/^[^\n<{]$/, HEAD_LIMIT)).trim()
    yield* answer.skipSpace()
    yield* cursor.accept('```json')
    yield* answer.skipSpace()
  }
  if (name === '' || (yield* cursor.peek()) !== '{') return false
  answer.call(name)
  if (yield* answer.json(json => answer.arguments(json))) {
    yield* answer.skipSpace()
    yield* answer.next(['```'])
    yield* answer.closing(CALL_END)
  } else yield* answer.brokenArguments(CALL_END, '`'.repeat(3))
  return true
}

function callTag(options: CallTagOptions): TagFormat {
  const call = '<｜tool▁call▁begin｜>'
  const [separator, end] = ['<｜tool▁sep｜>', '<｜tool▁call▁end｜>']
  const calls = options.templateSource.includes('```json')
    ? namedElements(
        {
          begin: name => `${call}function${separator}${name}\n\`\`\`json\n`,
          end: `\n\`\`\`${end}`,
          separator: '\n',
        },
        options,
      )
    : namedElements({ begin: name => `${call}${name}${separator}`, end, separator: '' }, options)
  return sequence(constant('<｜tool▁calls▁begin｜>'), calls, constant('<｜tool▁calls▁end｜>'))
}
