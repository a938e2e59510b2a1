// The response object of /v1/responses: what it was asked, what came of it, and the items of its output.

import { z } from 'zod'
import type { ChatChoice, ChatFinish, ChatResult, ChatUsage } from '../chat/chat-event.js'
import type { RequestError } from '../request-error.js'
import { type ChatLogprobsBody, chatLogprobs, chatLogprobsSchema, type LogprobStyle } from './logprobs.js'
import { newItemId } from './responses-input-items.js'
import { contentPositions } from './responses-logprobs.js'
import type { RequestEcho } from './responses-request.js'

const itemStatus = z.enum(['in_progress', 'completed', 'incomplete'])

const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.unknown()),
  logprobs: chatLogprobsSchema.shape.content.unwrap(),
})

const reasoningText = z.object({ type: z.literal('reasoning_text'), text: z.string() })

const outputItem = z.union([
  z.object({
    type: z.literal('message'),
    id: z.string(),
    status: itemStatus,
    role: z.literal('assistant'),
    content: z.array(outputText),
  }),
  z.object({
    type: z.literal('reasoning'),
    id: z.string(),
    status: itemStatus,
    summary: z.array(z.object({ type: z.literal('summary_text'), text: z.string() })),
    content: z.array(reasoningText),
    encrypted_content: z.null(),
  }),
  z.object({
    type: z.literal('function_call'),
    id: z.string(),
    status: itemStatus,
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
])

const usage = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
})

const nullableText = z.string().nullable()

export const responseSchema = z.object({
  id: z.string(),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.enum(['max_output_tokens', 'content_filter']) }).nullable(),
  model: z.string(),
  output: z.array(outputItem),
  usage: usage.nullable(),
  background: z.boolean(),
  instructions: nullableText,
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.int().nullable(),
  metadata: z.record(z.string(), z.unknown()),
  parallel_tool_calls: z.boolean(),
  previous_response_id: nullableText,
  prompt_cache_key: nullableText,
  reasoning: z.object({ effort: nullableText, summary: nullableText }),
  safety_identifier: nullableText,
  service_tier: z.string(),
  store: z.boolean(),
  temperature: z.number().nullable(),
  text: z.looseObject({ format: z.looseObject({ type: z.string() }) }),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]),
  tools: z.array(z.looseObject({ type: z.string() })),
  top_logprobs: z.int(),
  top_p: z.number().nullable(),
  truncation: z.enum(['auto', 'disabled']),
  user: nullableText,
})

export type ResponseBody = z.output<typeof responseSchema>
export type OutputItem = z.output<typeof outputItem>
export type ItemStatus = z.output<typeof itemStatus>
export type TokenLogprobs = NonNullable<ChatLogprobsBody['content']>

export interface ResponseHead {
  readonly id: string
  readonly createdSeconds: number
  readonly model: string
  readonly echo: RequestEcho
  /** What is drawn by where the request says nothing. */
  readonly temperature: number
  readonly topP: number
  /** undefined: no logprobs. */
  readonly logprobs: LogprobStyle | undefined
}

/** What becomes of a response while it is made. */
export type ResponseProgress = Pick<
  ResponseBody,
  'status' | 'error' | 'incomplete_details' | 'output' | 'usage' | 'completed_at'
>

/** How it ended. */
export type ResponseEnd = Pick<ResponseBody, 'status' | 'error' | 'incomplete_details'>

/** A response that has said nothing yet. */
export function begun(status: 'queued' | 'in_progress'): ResponseProgress {
  return { status, error: null, incomplete_details: null, output: [], usage: null, completed_at: null }
}

export function responseBody(head: ResponseHead, progress: ResponseProgress): ResponseBody {
  const { id, createdSeconds, model, echo, temperature, topP } = head
  return {
    id,
    object: 'response',
    created_at: createdSeconds,
    ...echo,
    temperature: echo.temperature ?? temperature,
    top_p: echo.top_p ?? topP,
    model,
    ...progress,
  }
}

/** The response of a turn that was run whole. */
export function wholeResponse(
  head: ResponseHead,
  { choices, usage: counts }: ChatResult,
  nowSeconds: number,
): ResponseBody {
  const [choice] = choices as [ChatChoice]
  const end = endOf(choice.finish)
  return responseBody(head, {
    ...end,
    completed_at: end.status === 'completed' ? nowSeconds : null,
    output: outputOf(choice, head),
    usage: usageBody(counts),
  })
}

/** An answer that was cut off is incomplete, and so is its last item. */
export function endOf({ reason }: ChatFinish): ResponseEnd {
  const end = { error: null, incomplete_details: null }
  if (reason === 'length') return { ...end, status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } }
  if (reason !== 'abort' && reason !== 'error') return { ...end, status: 'completed' }
  const message = reason === 'abort' ? 'The request was aborted by the server.' : 'The model failed.'
  return { ...end, status: 'failed', error: { code: 'server_error', message } }
}

function outputOf({ reasoning, content, toolCalls, finish, logprobs }: ChatChoice, head: ResponseHead): OutputItem[] {
  const hasText = content !== null && (content !== '' || (reasoning === null && toolCalls.length === 0))
  const style = head.logprobs
  const shown =
    style === undefined || logprobs === null
      ? []
      : (chatLogprobs(contentPositions(logprobs, content ?? ''), style).content ?? [])
  const items = [
    ...(reasoning === null ? [] : [reasoningItem(newItemId('reasoning'), 'completed', reasoning)]),
    ...(hasText ? [messageItem(newItemId('message'), 'completed', [textPart(content, shown)])] : []),
    ...toolCalls.map(call => callItem(newItemId('function_call'), 'completed', call)),
  ]
  const last = items.at(-1)
  if (last !== undefined && finish.reason === 'length') last.status = 'incomplete'
  return items
}

export function textPart(text: string, logprobs: TokenLogprobs) {
  return { type: 'output_text' as const, text, annotations: [], logprobs }
}

export function messageItem(id: string, status: ItemStatus, content: ReturnType<typeof textPart>[]): OutputItem {
  return { type: 'message', id, status, role: 'assistant', content }
}

/** Reasoning as it was thought; nobody sums it up. */
export function reasoningItem(id: string, status: ItemStatus, text: string | undefined): OutputItem {
  const content = text === undefined ? [] : [{ type: 'reasoning_text' as const, text }]
  return { type: 'reasoning', id, status, summary: [], content, encrypted_content: null }
}

export function callItem(
  id: string,
  status: ItemStatus,
  call: { readonly id: string; readonly name: string; readonly arguments: string },
): OutputItem {
  return { type: 'function_call', id, status, call_id: call.id, name: call.name, arguments: call.arguments }
}

/** The Responses API has no usage without the number of cached tokens: it is told whatever chats tell. */
export function usageBody(counts: ChatUsage): NonNullable<ResponseBody['usage']> {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens } = counts
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: promptTokens + completionTokens,
  }
}

/** Why a response failed, in the codes that responses have. */
export function failureOf({ status, message }: RequestError): NonNullable<ResponseBody['error']> {
  const code = status === 429 ? 'rate_limit_exceeded' : status < 500 ? 'invalid_prompt' : 'server_error'
  return { code, message }
}
