// The reply of /tokenize, written in parts: ids may be millions, and others have their turn meanwhile.

import { nextTurn } from '../../engine/index.js'

/** Elements of a list that are written at once. */
const ELEMENTS_PER_TURN = 1 << 16

/** JSON of `tokenizeResponseSchema`; `strings` has the text of each id alone. */
export async function tokenizeReply(
  ids: ArrayLike<number>,
  strings: readonly string[] | undefined,
  maxModelLen: number,
): Promise<string> {
  const numbers = ids instanceof Int32Array ? ids : Int32Array.from(ids)
  const head = `{"count":${ids.length},"max_model_len":${maxModelLen},"tokens":[`
  const tokens = await inParts(ids.length, (start, end) => numbers.subarray(start, end).join())
  if (strings === undefined) return `${head}${tokens}],"token_strs":null}`
  const texts = await inParts(ids.length, (start, end) => JSON.stringify(strings.slice(start, end)).slice(1, -1))
  return `${head}${tokens}],"token_strs":[${texts}]}`
}

async function inParts(length: number, write: (start: number, end: number) => string): Promise<string> {
  const parts: string[] = []
  for (let start = 0; start < length; start += ELEMENTS_PER_TURN) {
    if (start > 0) await nextTurn()
    parts.push(write(start, start + ELEMENTS_PER_TURN))
  }
  return parts.join(',')
}
