// Fields of vLLM that say how a request is treated rather than how it is sampled, for completions and chats alike.

import { z } from 'zod'
import { RequestError } from '../request-error.js'
import { object } from './object-field.js'
import { defaulted, ignored, optional } from './optional-field.js'

export const streamOptions = object(
  z.looseObject({
    include_usage: defaulted(z.boolean(), false),
    continuous_usage_stats: defaulted(z.boolean(), false),
  }),
)

/** Fields that mean the same in completions and chats. */
export const requestFields = {
  model: optional(z.string()),
  stream: defaulted(z.boolean(), false),
  stream_options: optional(streamOptions),
  stream_interval: optional(z.int().min(1)),
  priority: defaulted(
    z
      .int()
      .min(-(2 ** 31))
      .max(2 ** 31 - 1),
    0,
  ),
  request_id: optional(z.string().min(1).max(256)),
  cache_salt: optional(z.string().min(1).max(1024)),
  truncate_prompt_tokens: optional(
    z
      .int()
      .min(-1)
      .max(2 ** 31 - 1),
  ),
  truncation_side: optional(z.enum(['left', 'right'])),
  return_token_ids: defaulted(z.boolean(), false),
  return_tokens_as_token_ids: optional(z.boolean()),
  return_token_offsets: defaulted(z.boolean(), false),
  user: ignored(),
  session_id: ignored(),
  metadata: ignored(),
  store: ignored(),
  service_tier: ignored(),
  kv_transfer_params: ignored(),
  ec_transfer_params: ignored(),
}

interface StreamedFields {
  readonly stream: boolean
  readonly stream_options?: unknown
  readonly prompt_logprobs?: number | undefined
  readonly use_beam_search: boolean
  readonly best_of?: number | undefined
  readonly n?: number | undefined
  readonly logprob_token_ids?: readonly number[] | undefined
}

/** What would change which tokens come, or when they end: beams are ranked by the model's own log-probabilities. */
const NOT_WITH_BEAMS = [
  'stop',
  'stop_token_ids',
  'min_tokens',
  'logit_bias',
  'allowed_token_ids',
  'bad_words',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'repetition_detection',
  'thinking_token_budget',
  'logprob_token_ids',
  'logits_processors',
  'vllm_xargs',
] as const

/** Whether a value asks for something: clients send empty lists, and penalties that change nothing. */
function asks(field: string, value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (field === 'thinking_token_budget') return value !== -1
  if (typeof value === 'object') return Object.keys(value).length > 0
  return value !== (field === 'repetition_penalty' ? 1 : 0)
}

/** What streams cannot do, and what beams cannot. @throws RequestError. */
export function checkStreamRules(fields: StreamedFields, asksForLogprobs: boolean): void {
  const { stream, use_beam_search: beams, best_of: bestOf, n = 1 } = fields
  if (fields.stream_options !== undefined && !stream) {
    throw RequestError.badRequest('stream_options can only be set when stream is true.', 'stream_options')
  }
  if (fields.prompt_logprobs !== undefined && stream) {
    throw RequestError.badRequest('prompt_logprobs are not available when stream is true.', 'prompt_logprobs')
  }
  if (beams && stream) throw RequestError.badRequest('Beam search cannot be streamed.', 'stream')
  const given: Readonly<Record<string, unknown>> = { ...fields }
  const lost = beams ? NOT_WITH_BEAMS.find(field => asks(field, given[field])) : undefined
  if (lost !== undefined) throw RequestError.badRequest(`${lost} cannot be had with beam search.`, lost)
  if (fields.logprob_token_ids !== undefined && !asksForLogprobs) {
    throw RequestError.badRequest('logprob_token_ids needs logprobs to be asked for.', 'logprob_token_ids')
  }
  if (bestOf === undefined) return
  if (bestOf < n) throw RequestError.badRequest(`best_of must be at least n=${n}, got ${bestOf}.`, 'best_of')
  if (bestOf === n) return
  if (beams) throw RequestError.badRequest('best_of cannot be used with beam search: its beams are ranked.', 'best_of')
  if (stream)
    throw RequestError.badRequest('best_of above n cannot be streamed: the best is known at the end.', 'best_of')
}
