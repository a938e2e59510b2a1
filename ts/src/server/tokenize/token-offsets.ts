// Where tokens stand in the text that they were made of, in characters of Unicode, as Python counts them. Told from what they
// decode to: a tokenizer that changes its text has no offsets here.

import { numCharacters } from '../completions/text-offsets.js'

/** Begin and end. */
export type TokenOffset = [number, number]

/** Tokens that share a character have at most so many together. */
const LONGEST_GROUP = 16
const BROKEN = '\uFFFD'

/** What ids decode to. */
export type Decode = (ids: readonly number[], skipSpecialTokens: boolean) => string

/**
 * One for each id; null if the ids do not decode to the text. Tokens that are parts of one character have all of it; special
 * tokens that the text has not are [0, 0].
 */
export function tokenOffsets(text: string, tokenIds: ArrayLike<number>, decode: Decode): TokenOffset[] | null {
  const pieces = new Map<number, string>()
  const pieceOf = (id: number): string => {
    const known = pieces.get(id)
    if (known !== undefined) return known
    const piece = decode([id], false)
    pieces.set(id, piece)
    return piece
  }
  const offsets: TokenOffset[] = []
  let at = 0
  let characters = 0
  while (offsets.length < tokenIds.length) {
    const first = offsets.length
    const group = [tokenIds[first] as number]
    let found = standsAt(text, at, pieceOf(group[0] as number))
    if (found === undefined && decode(group, true) === '') {
      offsets.push([0, 0])
      continue
    }
    let piece = pieceOf(group[0] as number)
    while (found === undefined && piece.includes(BROKEN) && group.length < LONGEST_GROUP) {
      const next = tokenIds[first + group.length]
      if (next === undefined) return null
      group.push(next)
      piece = decode(group, false)
      found = standsAt(text, at, piece)
    }
    if (found === undefined) return null
    const end = characters + numCharacters(found)
    for (const _ of group) offsets.push([characters, end])
    at += found.length
    characters = end
  }
  return at === text.length ? offsets : null
}

/** The piece as the text has it: decoded alone, some tokens lose the space before them. */
function standsAt(text: string, at: number, piece: string): string | undefined {
  const spaced = ` ${piece}`
  const forms = piece === '' ? [spaced, piece] : [piece, spaced]
  return forms.find(form => text.startsWith(form, at))
}
