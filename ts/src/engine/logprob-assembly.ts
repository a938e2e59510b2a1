// Logprob arrays of a step as the objects that a caller sees.

import type { LogprobGroups } from '../binding/index.js'
import type { RankedToken, TokenLogprob } from './request-output.js'

/** The text of one id, given the ids before it. */
export type DecodeToken = (earlierIds: readonly number[], tokenId: number) => string

/** Group `group` as an object, or undefined if it is empty. `earlierIds` are the ids before it, the last four at least. */
export function logprobOf(
  { offsets, tokenIds, logprobs, ranks }: LogprobGroups,
  group: number,
  earlierIds: readonly number[],
  decode: DecodeToken,
): TokenLogprob | undefined {
  const start = offsets[group] as number
  const end = offsets[group + 1] as number
  if (start === end) return undefined
  const top: RankedToken[] = []
  for (let entry = start; entry < end; entry += 1) {
    const tokenId = tokenIds[entry] as number
    top.push({
      tokenId,
      logprob: logprobs[entry] as number,
      rank: ranks[entry] as number,
      decodedToken: decode(earlierIds, tokenId),
    })
  }
  return { ...(top[0] as RankedToken), top }
}
