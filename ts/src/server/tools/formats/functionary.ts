// Functionary 3.2: >>>name, a line break and the arguments as JSON; >>>all before content. The prompt ends with the first
// >>>. As code has it too, only names of tools are calls.

import { type Answer, parserOf } from '../answer.js'
import type { Reading } from '../text-cursor.js'
import type { ToolFormat } from '../tool-parser.js'

const MARK = '>>>'

export const functionary: ToolFormat = {
  name: 'functionary_v3_2',
  aliases: ['functionary'],
  keepsSpecialTokens: false,
  taughtBy: source => source.includes(`${MARK}all`),
  createParser: options => parserOf(read, options),
}

function* read(answer: Answer): Reading {
  let mark: string | undefined = ''
  while (mark !== undefined) {
    const next: string | undefined = yield* readPart(answer, mark)
    mark = next ?? (yield* answer.contentUntil([MARK]))
  }
}

/** Reads what follows `before`. Gives the next mark, if that was taken already. */
function* readPart(answer: Answer, before: string): Reading<string | undefined> {
  const { cursor } = answer
  cursor.hold()
  const recipient = yield* cursor.takeWhile(/^[\w.-]$/, 256)
  const named = recipient !== '' && (yield* cursor.accept('\n'))
  if (named && recipient === 'all') {
    cursor.release()
    return undefined
  }
  if (!named || !answer.knows(recipient) || (yield* cursor.peek()) !== '{') {
    answer.refuse(before)
    return undefined
  }
  answer.call(recipient)
  const complete = yield* answer.json(json => answer.arguments(json))
  return complete ? undefined : yield* answer.brokenArguments([MARK], '')
}
