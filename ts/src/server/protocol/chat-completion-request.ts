// The body of /v1/chat/completions: its schema, its rules, and the turn that it asks for.

import { z } from 'zod'
import type { SamplingOptions } from '../../config/index.js'
import type { ChatRequest } from '../chat/chat-request.js'
import { RequestError } from '../request-error.js'
import { messagesSchema, toChatMessages } from './chat-messages.js'
import { toolFields, toToolUse } from './chat-tools.js'
import { list } from './list-field.js'
import { anyObject } from './object-field.js'
import { defaulted, defined, ignored, optional } from './optional-field.js'
import { parseBody } from './parse-body.js'
import { checkStreamRules, requestFields } from './request-fields.js'
import { samplingFields, toSamplingOptions, toThinkingBudget } from './sampling-fields.js'
import { structuredOutputFields, toStructuredOutputs } from './structured-output-fields.js'

const maxTokens = z
  .int()
  .min(1)
  .max(2 ** 31 - 1)

/** Templates do not tell which part of what they print is the assistant's. */
const assistantMask = z.boolean().refine(value => !value, {
  error: 'return_assistant_tokens_mask must be false: masks of the assistant are not supported.',
})

/** Fields that say how messages become a prompt; /tokenize has them too. */
export const chatPromptFields = {
  messages: messagesSchema,
  add_generation_prompt: optional(z.boolean()),
  continue_final_message: defaulted(z.boolean(), false),
  add_special_tokens: defaulted(z.boolean(), false),
  documents: optional(list(anyObject(), { max: 4096 })),
  chat_template: optional(z.string()),
  chat_template_kwargs: optional(anyObject()),
  media_io_kwargs: ignored(),
  mm_processor_kwargs: ignored(),
}

export const chatCompletionRequestSchema = z.looseObject({
  ...requestFields,
  ...samplingFields,
  ...structuredOutputFields,
  ...toolFields,
  ...chatPromptFields,
  max_tokens: optional(maxTokens),
  max_completion_tokens: optional(maxTokens),
  logprobs: defaulted(z.boolean(), false),
  top_logprobs: optional(
    z
      .int()
      .min(-1)
      .max(2 ** 31 - 1),
  ),
  reasoning_effort: optional(z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])),
  include_reasoning: defaulted(z.boolean(), true),
  echo: defaulted(z.boolean(), false),
  return_prompt_text: defaulted(z.boolean(), false),
  return_assistant_tokens_mask: optional(assistantMask),
})

type Fields = z.output<typeof chatCompletionRequestSchema>

/** A turn, and how its reply is to be written. */
export interface ChatCompletionRequest {
  readonly model: string | undefined
  readonly id: string | undefined
  readonly turn: Omit<ChatRequest, 'requestId'>
  /** The field that said how long the answer may be. */
  readonly maxTokensParam: string
  /** Alternatives shown at each position, if logprobs are shown. */
  readonly logprobs: number | undefined
  /** Begin the reply with the last message, if it is of the same role. */
  readonly echo: boolean
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
  readonly streamInterval: number | undefined
  readonly returnTokenIds: boolean
  readonly returnPromptText: boolean
  /** Where the tokens of the prompt stand, when it is rendered. */
  readonly returnTokenOffsets: boolean
  readonly tokensAsIds: boolean | undefined
}

/** @throws RequestError 400 naming the field. */
export function parseChatCompletionRequest(body: Readonly<Record<string, unknown>>): ChatCompletionRequest {
  const fields = parseBody(chatCompletionRequestSchema, body)
  checkStreamRules(fields, fields.logprobs)
  checkGenerationPrompt(fields)
  const { top_logprobs: top = 0 } = fields
  if (top !== 0 && !fields.logprobs) {
    throw RequestError.badRequest('top_logprobs needs logprobs to be true.', 'top_logprobs')
  }
  return {
    turn: toTurn(fields),
    model: fields.model,
    id: fields.request_id,
    maxTokensParam: fields.max_completion_tokens === undefined ? 'max_tokens' : 'max_completion_tokens',
    logprobs: fields.logprobs ? (fields.logprob_token_ids === undefined ? top : -1) : undefined,
    echo: fields.echo,
    includeUsage: fields.stream_options?.include_usage ?? false,
    continuousUsage: fields.stream_options?.continuous_usage_stats ?? false,
    streamInterval: fields.stream_interval,
    returnTokenIds: fields.return_token_ids,
    returnPromptText: fields.return_prompt_text,
    returnTokenOffsets: fields.return_token_offsets,
    tokensAsIds: fields.return_tokens_as_token_ids,
  }
}

/** @throws RequestError if a message is to be continued and a new one begun. */
export function checkGenerationPrompt(fields: {
  readonly add_generation_prompt?: boolean | undefined
  readonly continue_final_message: boolean
}): void {
  if (fields.continue_final_message && fields.add_generation_prompt === true) {
    const message = 'continue_final_message and add_generation_prompt cannot both be true.'
    throw RequestError.badRequest(message, 'continue_final_message')
  }
}

/** How the prompt is made. */
export function toPromptOptions(fields: {
  readonly add_generation_prompt?: boolean | undefined
  readonly continue_final_message: boolean
  readonly add_special_tokens: boolean
  readonly documents?: readonly unknown[] | undefined
  readonly chat_template?: string | undefined
  readonly chat_template_kwargs?: Readonly<Record<string, unknown>> | undefined
}): NonNullable<ChatRequest['prompt']> {
  return {
    continueFinalMessage: fields.continue_final_message,
    addSpecialTokens: fields.add_special_tokens,
    ...defined({
      addGenerationPrompt: fields.add_generation_prompt,
      documents: fields.documents,
      chatTemplate: fields.chat_template,
      chatTemplateKwargs: fields.chat_template_kwargs,
    }),
  }
}

function toTurn(fields: Fields): ChatCompletionRequest['turn'] {
  const { tools, toolChoice } = toToolUse(fields)
  const structuredOutputs = toStructuredOutputs(fields)
  if (structuredOutputs !== undefined) {
    if (fields.use_beam_search) throw RequestError.badRequest('Beam search cannot be constrained.', 'use_beam_search')
    if (fields.structured_outputs !== undefined && toolChoice !== 'none') {
      const message = 'structured_outputs and tools cannot be used together: set tool_choice to "none".'
      throw RequestError.badRequest(message, 'structured_outputs')
    }
  }
  return {
    messages: toChatMessages(fields.messages),
    tools,
    toolChoice,
    parallelToolCalls: fields.parallel_tool_calls ?? true,
    sampling: { ...toSamplingOptions(fields), ...toLengthAndLogprobs(fields), ...defined({ structuredOutputs }) },
    prompt: {
      ...toPromptOptions(fields),
      ...(fields.truncate_prompt_tokens !== undefined && {
        truncation: { tokens: fields.truncate_prompt_tokens, ...defined({ side: fields.truncation_side }) },
      }),
    },
    includeReasoning: fields.include_reasoning,
    stream: fields.stream,
    priority: fields.priority,
    ...(fields.use_beam_search && { beamSearch: { lengthPenalty: fields.length_penalty } }),
    ...defined({
      bestOf: fields.best_of,
      reasoningEffort: fields.reasoning_effort,
      cacheSalt: fields.cache_salt,
      thinkingTokenBudget: toThinkingBudget(fields),
    }),
  }
}

function toLengthAndLogprobs(fields: Fields): SamplingOptions {
  const { logprobs, top_logprobs: top = 0, logprob_token_ids: named } = fields
  return defined({
    maxTokens: fields.max_completion_tokens ?? fields.max_tokens,
    logprobs: logprobs && named === undefined ? top : undefined,
  })
}
