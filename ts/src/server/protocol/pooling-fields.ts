// Fields that embeddings, scores and rankings have in common: how inputs are cut, and what is taken for compatibility.

import { z } from 'zod'
import { RequestError } from '../request-error.js'
import { ignored, optional } from './optional-field.js'

export const pooledFields = {
  model: optional(z.string()),
  user: ignored(),
  priority: ignored(),
  request_id: optional(z.string().min(1).max(256)),
  truncate_prompt_tokens: optional(
    z
      .int()
      .min(-1)
      .max(2 ** 31 - 1),
  ),
  truncation_side: optional(z.enum(['left', 'right'])),
}

export const pooledUsageSchema = z.object({ prompt_tokens: z.int(), total_tokens: z.int() })

/** How an input is cut; absent: as suits the model. */
export interface PooledTruncation {
  readonly truncatePromptTokens?: number
  readonly truncationSide?: 'left' | 'right'
}

interface TruncationFields {
  readonly truncate_prompt_tokens: number | undefined
  readonly truncation_side: 'left' | 'right' | undefined
}

/** @throws RequestError for 0: nothing would be left. */
export function toPooledTruncation({ truncate_prompt_tokens: tokens, truncation_side: side }: TruncationFields) {
  if (tokens === 0) {
    const message = 'truncate_prompt_tokens must be -1 or at least 1, got 0: nothing would be left of the input.'
    throw RequestError.badRequest(message, 'truncate_prompt_tokens')
  }
  return {
    ...(tokens !== undefined && { truncatePromptTokens: tokens }),
    ...(side !== undefined && { truncationSide: side }),
  } satisfies PooledTruncation
}

export function pooledUsage(numTokens: number): z.output<typeof pooledUsageSchema> {
  return { prompt_tokens: numTokens, total_tokens: numTokens }
}
