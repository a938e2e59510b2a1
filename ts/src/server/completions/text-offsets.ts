// Where tokens begin in the text of a choice: in characters of Unicode, as Python counts them.

/** Of the tokens of `text`: a token that the text does not have at its place, such as a special one, takes no room. */
export function offsetsIn(text: string, tokens: readonly string[]): readonly number[] {
  let at = 0
  let characters = 0
  return tokens.map(token => {
    const offset = characters
    if (token !== '' && text.startsWith(token, at)) {
      at += token.length
      characters += numCharacters(token)
    }
    return offset
  })
}

/** Of tokens that follow each other from character `start` on, and where they end. */
export function offsetsFrom(
  start: number,
  tokens: readonly string[],
): { readonly offsets: readonly number[]; readonly end: number } {
  let end = start
  const offsets = tokens.map(token => {
    const offset = end
    end += numCharacters(token)
    return offset
  })
  return { offsets, end }
}

export function numCharacters(text: string): number {
  let count = 0
  for (const _ of text) count += 1
  return count
}
