// `usage`: how many tokens a reply has.

import { z } from 'zod'

export const usageSchema = z.object({
  prompt_tokens: z.int(),
  total_tokens: z.int(),
  completion_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }).nullish(),
  completion_tokens_details: z.object({ reasoning_tokens: z.int() }).nullish(),
})

export type UsageBody = z.output<typeof usageSchema>

export interface TokenCounts {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cachedTokens: number
  readonly reasoningTokens?: number
}

/** Cached tokens are told if the operator wishes so, reasoning tokens where there are some. */
export function usageBody(counts: TokenCounts, tellCached: boolean): UsageBody {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens = 0 } = counts
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
    ...(tellCached && { prompt_tokens_details: { cached_tokens: cachedTokens } }),
    ...(reasoningTokens > 0 && { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
  }
}
