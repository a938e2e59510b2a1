// Which positions of an answer are its text: answers have marks, reasoning and calls beside it.

import type { TokenLogprob } from '../../engine/index.js'

/** The positions whose tokens make up `content`; all of them where that cannot be told. */
export function contentPositions(positions: readonly TokenLogprob[], content: string): readonly TokenLogprob[] {
  if (content === '') return []
  const at = positions
    .map(({ decodedToken }) => decodedToken)
    .join('')
    .lastIndexOf(content)
  if (at < 0) return positions
  let end = 0
  return positions.filter(({ decodedToken }) => {
    const start = end
    end += decodedToken.length
    // A token without text is a part of the character that the next one ends.
    const begins = end > at || (start === end && start === at)
    return begins && start < at + content.length
  })
}
