// How much of a text can matter where only so many tokens are taken: tokenizing megabytes takes seconds and gigabytes.

/** Shorter texts are tokenized whatever the model takes. */
const ALWAYS_TOKENIZED = 1 << 16
/** Normalizers may make one character of several, such as of a letter and its marks. */
const MOST_NORMALIZED_TO_ONE = 4

/** Characters that so many tokens can stand for; `longestToken` is the length of the longest. */
export function mostCharacters(numTokens: number, longestToken: number): number {
  // Some tokenizers drop the space that a text begins with.
  return Math.max(ALWAYS_TOKENIZED, numTokens * (longestToken + 1) * MOST_NORMALIZED_TO_ONE)
}

/** The text without what is too much of it; the same string if nothing is. `side` is where it is dropped. */
export function cutText(text: string, most: number, side: 'left' | 'right'): string {
  if (text.length <= most) return text
  // Half of a surrogate pair is no character.
  const kept = side === 'left' ? text.slice(text.length - most) : text.slice(0, most)
  if (side === 'left') return /^[\udc00-\udfff]/.test(kept) ? kept.slice(1) : kept
  return /[\ud800-\udbff]$/.test(kept) ? kept.slice(0, -1) : kept
}
