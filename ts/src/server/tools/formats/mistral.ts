// Mistral: [TOOL_CALLS] before a JSON list of calls; since v11 [TOOL_CALLS]name[ARGS]{...} for each call, with
// [CALL_ID]id before [ARGS] in some versions.

import { type Answer, parserOf } from '../answer.js'
import { randomMistralCallId } from '../call-id.js'
import { jsonList, namedElements } from '../call-tags.js'
import { readMarkedCalls } from '../json-calls.js'
import type { Reading } from '../text-cursor.js'
import type { ToolFormat } from '../tool-parser.js'

const MARK = '[TOOL_CALLS]'

export const mistral: ToolFormat = {
  name: 'mistral',
  aliases: [],
  keepsSpecialTokens: true,
  taughtBy: source => source.includes(MARK),
  newCallId: randomMistralCallId,
  createParser: options => parserOf(read, { newCallId: randomMistralCallId, ...options }),
  callTag: options =>
    options.templateSource.includes('[ARGS]')
      ? namedElements({ begin: name => `${MARK}${name}[ARGS]`, end: '', separator: '' }, options)
      : jsonList({ begin: `${MARK} `, end: '' }, options),
}

function* read(answer: Answer): Reading {
  const { cursor } = answer
  let mark = yield* answer.contentUntil([MARK])
  while (mark !== undefined) {
    cursor.hold()
    yield* answer.skipSpace()
    const first = yield* cursor.peek()
    cursor.rewind()
    let next: string | undefined
    if (first === '[' || first === '{') yield* readMarkedCalls(answer, mark, [])
    else next = yield* readNamedCall(answer)
    mark = next ?? (yield* answer.contentUntil([MARK]))
  }
}

/** Gives the mark of the next call, if that was taken already. */
function* readNamedCall(answer: Answer): Reading<string | undefined> {
  const { cursor } = answer
  cursor.hold()
  yield* answer.skipSpace()
  const name = yield* cursor.takeWhile(/^[\w.-]$/, 256)
  yield* answer.skipSpace()
  let id = ''
  if (yield* cursor.accept('[CALL_ID]')) id = yield* cursor.takeWhile(/^[\w-]$/, 256)
  yield* answer.skipSpace()
  yield* cursor.accept('[ARGS]')
  yield* answer.skipSpace()
  if (name === '' || (yield* cursor.peek()) !== '{') {
    answer.refuse(MARK)
    return undefined
  }
  answer.call(name, id === '' ? undefined : id)
  const complete = yield* answer.json(json => answer.arguments(json))
  return complete ? undefined : yield* answer.brokenArguments([MARK], '')
}
