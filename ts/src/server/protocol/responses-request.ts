// The body of /v1/responses: its schema, its rules, and the turn that it asks for.

import { z } from 'zod'
import type { SamplingOptions, StructuredOutputs } from '../../config/index.js'
import type { ChatRequest } from '../chat/chat-request.js'
import { RequestError } from '../request-error.js'
import { list } from './list-field.js'
import { anyObject, object } from './object-field.js'
import { defaulted, defined, ignored, optional } from './optional-field.js'
import { parseBody } from './parse-body.js'
import { type InputItem, type ItemReference, inputSchema, toInputItems } from './responses-input-items.js'
import { toolBodies, toolFields, toToolUse } from './responses-tools.js'
import { samplingFields, toSamplingOptions, toThinkingBudget } from './sampling-fields.js'
import { structuredOutputFields, toStructuredOutputs } from './structured-output-fields.js'

const INT32_MAX = 2 ** 31 - 1

const includable = z.enum([
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'message.input_image.image_url',
  'computer_call_output.output.image_url',
  'code_interpreter_call.outputs',
  'reasoning.encrypted_content',
  'message.output_text.logprobs',
])

const textFormat = object(
  z.looseObject({
    type: z.enum(['text', 'json_object', 'json_schema']),
    name: optional(z.string()),
    description: optional(z.string()),
    schema: optional(z.union([anyObject(), z.boolean()], { error: 'a JSON schema' })),
    strict: optional(z.boolean()),
  }),
)

const metadata = anyObject().refine(
  value => Object.keys(value).length <= 16 && Object.values(value).every(text => typeof text === 'string'),
  { error: 'must have at most 16 entries, each a string', params: { field: true } },
)

/** Fields of one draw: a response has one choice. */
const { n: _n, best_of: _b, use_beam_search: _u, length_penalty: _l, ...oneDraw } = samplingFields
const { prompt_logprobs: _p, logprob_token_ids: _t, ...drawFields } = oneDraw

export const responsesRequestSchema = z.looseObject({
  ...drawFields,
  ...toolFields,
  structured_outputs: structuredOutputFields.structured_outputs,
  model: optional(z.string()),
  input: inputSchema,
  instructions: optional(z.string()),
  previous_response_id: optional(z.string().min(1).max(256)),
  store: defaulted(z.boolean(), true),
  background: defaulted(z.boolean(), false),
  stream: defaulted(z.boolean(), false),
  stream_options: optional(anyObject()),
  stream_interval: optional(z.int().min(1)),
  max_output_tokens: optional(z.int().min(1).max(INT32_MAX)),
  max_tool_calls: optional(z.int().min(1).max(INT32_MAX)),
  reasoning: optional(
    object(
      z.looseObject({
        effort: optional(z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])),
        summary: optional(z.enum(['auto', 'concise', 'detailed'])),
        generate_summary: optional(z.enum(['auto', 'concise', 'detailed'])),
      }),
    ),
  ),
  text: optional(
    object(z.looseObject({ format: optional(textFormat), verbosity: optional(z.enum(['low', 'medium', 'high'])) })),
  ),
  include: optional(list(includable, { max: 64 })),
  top_logprobs: optional(z.int().min(0).max(20)),
  truncation: defaulted(z.enum(['auto', 'disabled']), 'disabled'),
  metadata: optional(metadata),
  user: optional(z.string()),
  safety_identifier: optional(z.string()),
  prompt_cache_key: optional(z.string()),
  service_tier: optional(z.string()),
  conversation: optional(z.unknown()),
  prompt: optional(z.unknown()),
  priority: defaulted(z.int().min(-INT32_MAX).max(INT32_MAX), 0),
  cache_salt: optional(z.string().min(1).max(1024)),
  chat_template_kwargs: optional(anyObject()),
  request_id: ignored(),
  prompt_cache_retention: ignored(),
})

type Fields = z.output<typeof responsesRequestSchema>

/** What a response tells of its request again. */
export type RequestEcho = ReturnType<typeof toEcho>

export interface ResponsesRequest {
  readonly model: string | undefined
  readonly input: readonly (InputItem | ItemReference)[]
  readonly instructions: string | undefined
  readonly previousResponseId: string | undefined
  readonly store: boolean
  readonly background: boolean
  readonly stream: boolean
  readonly streamInterval: number | undefined
  /** Drop the oldest messages of a conversation that is too long. */
  readonly dropsOldest: boolean
  /** Alternatives shown at each position, if logprobs are shown. */
  readonly logprobs: number | undefined
  /** The text is held by `text.format`. */
  readonly hasFormat: boolean
  readonly turn: Omit<ChatRequest, 'requestId' | 'messages' | 'stream'>
  readonly echo: RequestEcho
}

/** @throws RequestError 400 naming the field. */
export function parseResponsesRequest(body: Readonly<Record<string, unknown>>): ResponsesRequest {
  const fields = parseBody(responsesRequestSchema, body)
  checkRules(fields)
  const input = toInputItems(fields.input)
  if (input.length === 0 && fields.previous_response_id === undefined) {
    throw RequestError.badRequest('input must have an item.', 'input')
  }
  const shown = fields.include?.includes('message.output_text.logprobs') ?? false
  const logprobs = shown ? (fields.top_logprobs ?? 0) : undefined
  return {
    model: fields.model,
    input,
    instructions: fields.instructions,
    previousResponseId: fields.previous_response_id,
    store: fields.store,
    background: fields.background,
    stream: fields.stream,
    streamInterval: fields.stream_interval,
    dropsOldest: fields.truncation === 'auto',
    logprobs,
    hasFormat: fields.text?.format !== undefined && fields.text.format.type !== 'text',
    turn: toTurn(fields, logprobs),
    echo: toEcho(fields),
  }
}

function checkRules(fields: Fields): void {
  if (fields.background && !fields.store) {
    throw RequestError.badRequest('background needs store to be true: its response is fetched later.', 'background')
  }
  for (const [name, says] of [
    ['conversation', 'conversations are not kept by this server: use previous_response_id'],
    ['prompt', 'templates of prompts are not kept by this server: send the input itself'],
  ] as const) {
    if (fields[name] !== undefined) throw RequestError.badRequest(`${name} is not supported; ${says}.`, name)
  }
}

function toTurn(fields: Fields, logprobs: number | undefined): ResponsesRequest['turn'] {
  const { tools, toolChoice } = toToolUse(fields)
  const structuredOutputs = toConstraint(fields)
  if (fields.structured_outputs !== undefined && toolChoice !== 'none') {
    const message = 'structured_outputs and tools cannot be used together: set tool_choice to "none".'
    throw RequestError.badRequest(message, 'structured_outputs')
  }
  return {
    tools,
    toolChoice,
    parallelToolCalls: fields.parallel_tool_calls ?? true,
    sampling: { ...toDraw(fields), ...defined({ maxTokens: fields.max_output_tokens, logprobs, structuredOutputs }) },
    prompt: defined({ chatTemplateKwargs: fields.chat_template_kwargs }),
    priority: fields.priority,
    ...defined({
      reasoningEffort: fields.reasoning?.effort,
      cacheSalt: fields.cache_salt,
      thinkingTokenBudget: toThinkingBudget(fields),
    }),
  }
}

function toDraw(fields: Fields): SamplingOptions {
  return toSamplingOptions({
    ...fields,
    n: undefined,
    best_of: undefined,
    use_beam_search: false,
    length_penalty: 1,
    prompt_logprobs: undefined,
    logprob_token_ids: undefined,
  })
}

/** `text.format`, or vLLM's own field. */
function toConstraint({ text, structured_outputs: own }: Fields): StructuredOutputs | undefined {
  const { format } = text ?? {}
  if (format === undefined || format.type === 'text') return toStructuredOutputs({ structured_outputs: own })
  if (own !== undefined) {
    const message = 'text.format and structured_outputs are both set, but only one constraint can hold an output.'
    throw RequestError.badRequest(message, 'structured_outputs')
  }
  if (format.type === 'json_object') return { jsonObject: true }
  if (format.schema !== undefined) return { json: format.schema }
  const message = 'text.format.schema must be given when text.format.type is "json_schema".'
  throw RequestError.badRequest(message, 'text.format.schema')
}

function toEcho(fields: Fields) {
  const { text, reasoning, tool_choice: choice } = fields
  return {
    background: fields.background,
    instructions: fields.instructions ?? null,
    max_output_tokens: fields.max_output_tokens ?? null,
    max_tool_calls: fields.max_tool_calls ?? null,
    metadata: fields.metadata ?? {},
    parallel_tool_calls: fields.parallel_tool_calls ?? true,
    previous_response_id: fields.previous_response_id ?? null,
    prompt_cache_key: fields.prompt_cache_key ?? null,
    reasoning: {
      effort: reasoning?.effort ?? null,
      summary: reasoning?.summary ?? reasoning?.generate_summary ?? null,
    },
    safety_identifier: fields.safety_identifier ?? null,
    service_tier: 'default',
    store: fields.store,
    temperature: fields.temperature ?? null,
    text: {
      format:
        text?.format === undefined ? { type: 'text' } : { ...defined(text.format), type: text.format.type as string },
      ...(text?.verbosity !== undefined && { verbosity: text.verbosity }),
    },
    tool_choice:
      choice === undefined ? 'auto' : typeof choice === 'string' ? choice : { ...defined(choice), type: choice.type },
    tools: toolBodies(fields.tools),
    top_logprobs: fields.top_logprobs ?? 0,
    top_p: fields.top_p ?? null,
    truncation: fields.truncation,
    user: fields.user ?? null,
  }
}
