// The replies of /v1/messages: one body, or the typed events of Anthropic's streams.

import { z } from 'zod'
import type { ChatFinish, ChatNews, ChatPart, ChatResult, ChatUsage } from '../chat/chat-event.js'
import { eventFrame } from '../event-frame.js'
import type { RequestError } from '../request-error.js'

const usage = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_creation_input_tokens: z.int(),
  cache_read_input_tokens: z.int(),
})

const contentBlock = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.record(z.string(), z.unknown()) }),
])

export const messageSchema = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: z.string(),
  content: z.array(contentBlock),
  stop_reason: z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use']).nullable(),
  stop_sequence: z.string().nullable(),
  usage,
})

/** One event of a stream. */
export const messageEventSchema = z.looseObject({
  type: z.enum([
    'message_start',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
    'ping',
    'error',
  ]),
})

export const messagesErrorSchema = z.object({
  type: z.literal('error'),
  error: z.object({ type: z.string(), message: z.string() }),
})

export const countTokensSchema = z.object({ input_tokens: z.int() })

export function countTokensBody(count: number): z.output<typeof countTokensSchema> {
  return { input_tokens: count }
}

const errorTypes: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
}

/** An error as Anthropic's clients read it. */
export function messagesErrorBody({ status, message }: RequestError) {
  const type = errorTypes[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')
  return { type: 'error', error: { type, message } }
}

export interface MessageHead {
  readonly id: string
  readonly model: string
  /** Report cached tokens. */
  readonly tellCached: boolean
}

export function messageBody(head: MessageHead, { choices, usage: counts }: ChatResult): z.output<typeof messageSchema> {
  const [choice] = choices as [ChatResult['choices'][number]]
  const { reasoning, content, toolCalls, finish } = choice
  const hasText = content !== null && (content !== '' || (reasoning === null && toolCalls.length === 0))
  return {
    ...opening(head),
    content: [
      ...(reasoning === null ? [] : [{ type: 'thinking' as const, thinking: reasoning, signature: '' }]),
      ...(hasText ? [{ type: 'text' as const, text: content }] : []),
      ...toolCalls.map(({ id, name, arguments: text }) => ({
        type: 'tool_use' as const,
        id,
        name,
        input: inputOf(text),
      })),
    ],
    ...ending(finish),
    usage: usageBody(counts, head.tellCached),
  }
}

function opening({ id, model }: MessageHead) {
  return { id, type: 'message' as const, role: 'assistant' as const, model }
}

function ending({ reason, stopReason }: ChatFinish) {
  if (reason === 'toolCalls') return { stop_reason: 'tool_use' as const, stop_sequence: null }
  if (reason === 'length') return { stop_reason: 'max_tokens' as const, stop_sequence: null }
  if (typeof stopReason === 'string' && reason === 'stop')
    return { stop_reason: 'stop_sequence' as const, stop_sequence: stopReason }
  return { stop_reason: 'end_turn' as const, stop_sequence: null }
}

/** Of the input, Anthropic counts what was not in the cache. */
function usageBody({ promptTokens, completionTokens, cachedTokens }: ChatUsage, tellCached: boolean) {
  const cached = tellCached ? cachedTokens : 0
  return {
    input_tokens: promptTokens - cached,
    output_tokens: completionTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
  }
}

/** Arguments of a call; an object without fields if the model was cut off in the midst of them. */
function inputOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

/** Which block a piece of an answer belongs to. */
type BlockKey = 'text' | 'thinking' | `call ${number}`

/** Frames of one stream: blocks open and close as the answer goes from one kind to another. */
export class MessageEventWriter {
  readonly #head: MessageHead
  #open: BlockKey | undefined
  /** Index of the block that is open, or was last. */
  #index = -1

  constructor(head: MessageHead) {
    this.#head = head
  }

  begin(counts: ChatUsage): string {
    const message = {
      ...opening(this.#head),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: usageBody(counts, this.#head.tellCached),
    }
    return eventFrame('message_start', { type: 'message_start', message }) + eventFrame('ping', { type: 'ping' })
  }

  news({ parts, finish }: ChatNews, counts: ChatUsage): string {
    const frames = parts.map(part => this.#part(part)).join('')
    return finish === null ? frames : frames + this.#end(finish, counts)
  }

  error(error: RequestError): string {
    return eventFrame('error', messagesErrorBody(error))
  }

  #part(part: ChatPart): string {
    switch (part.kind) {
      case 'content':
        return this.#enter('text', { type: 'text', text: '' }) + this.#delta({ type: 'text_delta', text: part.text })
      case 'reasoning':
        return (
          this.#enter('thinking', { type: 'thinking', thinking: '', signature: '' }) +
          this.#delta({ type: 'thinking_delta', thinking: part.text })
        )
      case 'call':
        return this.#enter(`call ${part.index}`, { type: 'tool_use', id: part.id, name: part.name, input: {} })
      case 'arguments':
        return this.#delta({ type: 'input_json_delta', partial_json: part.text })
    }
  }

  #enter(key: BlockKey, block: object): string {
    if (this.#open === key) return ''
    const left = this.#leave()
    this.#open = key
    this.#index += 1
    const start = { type: 'content_block_start', index: this.#index, content_block: block }
    return left + eventFrame('content_block_start', start)
  }

  #leave(): string {
    if (this.#open === undefined) return ''
    this.#open = undefined
    return eventFrame('content_block_stop', { type: 'content_block_stop', index: this.#index })
  }

  #delta(delta: object): string {
    return eventFrame('content_block_delta', { type: 'content_block_delta', index: this.#index, delta })
  }

  #end(finish: ChatFinish, counts: ChatUsage): string {
    const delta = { type: 'message_delta', delta: ending(finish), usage: usageBody(counts, this.#head.tellCached) }
    return this.#leave() + eventFrame('message_delta', delta) + eventFrame('message_stop', { type: 'message_stop' })
  }
}
