// The body of /v1/completions: its schema, its rules, and the request that it means.

import { z } from 'zod'
import type { SamplingOptions } from '../../config/index.js'
import type { CompletionPrompt, CompletionRequest } from '../completions/completion-request.js'
import { RequestError } from '../request-error.js'
import { defaulted, defined, optional } from './optional-field.js'
import { parseBody } from './parse-body.js'
import { promptSchema } from './prompt-field.js'
import { checkStreamRules, requestFields } from './request-fields.js'
import { samplingFields, toSamplingOptions, toThinkingBudget } from './sampling-fields.js'
import { structuredOutputFields, toStructuredOutputs } from './structured-output-fields.js'

const DEFAULT_MAX_TOKENS = 16

export const completionRequestSchema = z.looseObject({
  ...requestFields,
  ...samplingFields,
  ...structuredOutputFields,
  prompt: optional(promptSchema),
  prompt_embeds: optional(z.unknown()),
  max_tokens: optional(
    z
      .int()
      .min(0)
      .max(2 ** 31 - 1),
  ),
  logprobs: optional(
    z
      .int()
      .min(0)
      .max(2 ** 31 - 1),
  ),
  echo: defaulted(z.boolean(), false),
  add_special_tokens: defaulted(z.boolean(), true),
  suffix: optional(z.string()),
})

type Fields = z.output<typeof completionRequestSchema>

/** @throws RequestError 400 naming the field. */
export function parseCompletionRequest(body: Readonly<Record<string, unknown>>): CompletionRequest {
  const fields = parseBody(completionRequestSchema, body)
  checkStreamRules(fields, fields.logprobs !== undefined)
  const { max_tokens: maxTokens, echo, suffix = '' } = fields
  if (suffix !== '') {
    const advice = "write the prompt with the model's own marks of prefix and suffix instead."
    throw RequestError.badRequest(`suffix is not supported: ${advice}`, 'suffix')
  }
  if (maxTokens === 0 && !echo) {
    throw RequestError.badRequest('max_tokens must be at least 1, got 0: nothing but an echo is empty.', 'max_tokens')
  }
  const structuredOutputs = toStructuredOutputs(fields)
  if (structuredOutputs !== undefined && fields.use_beam_search) {
    throw RequestError.badRequest('Beam search cannot be constrained.', 'use_beam_search')
  }
  return {
    prompts: toPrompts(fields),
    maxTokens: maxTokens ?? DEFAULT_MAX_TOKENS,
    maxTokensGiven: maxTokens !== undefined,
    echo,
    sampling: { ...toSamplingOptions(fields), ...toLogprobOptions(fields), ...defined({ structuredOutputs }) },
    addSpecialTokens: fields.add_special_tokens,
    stream: fields.stream,
    includeUsage: fields.stream_options?.include_usage ?? false,
    continuousUsage: fields.stream_options?.continuous_usage_stats ?? false,
    returnTokenIds: fields.return_token_ids,
    returnTokenOffsets: fields.return_token_offsets,
    priority: fields.priority,
    ...(fields.use_beam_search && { beamSearch: { lengthPenalty: fields.length_penalty } }),
    ...(fields.truncate_prompt_tokens !== undefined && {
      truncation: {
        tokens: fields.truncate_prompt_tokens,
        ...defined({ side: fields.truncation_side }),
      },
    }),
    ...defined({
      model: fields.model,
      id: fields.request_id,
      logprobs: fields.logprobs,
      bestOf: fields.best_of,
      cacheSalt: fields.cache_salt,
      thinkingTokenBudget: toThinkingBudget(fields),
      streamInterval: fields.stream_interval,
      tokensAsIds: fields.return_tokens_as_token_ids,
    }),
  }
}

/** An echo shows the prompt's logprobs too; ids that are named take the place of the likeliest. */
function toLogprobOptions(fields: Fields): SamplingOptions {
  const { logprobs, logprob_token_ids: named, echo, prompt_logprobs: ofPrompt } = fields
  return defined({
    logprobs: named === undefined ? logprobs : undefined,
    promptLogprobs: ofPrompt ?? (echo ? logprobs : undefined),
  })
}

function toPrompts({ prompt, prompt_embeds: embeds }: Fields): readonly CompletionPrompt[] {
  if (embeds !== undefined) throw RequestError.badRequest('prompt_embeds are not supported.', 'prompt_embeds')
  if (prompt === undefined) throw RequestError.badRequest('A prompt must be given.', 'prompt')
  return prompt
}
