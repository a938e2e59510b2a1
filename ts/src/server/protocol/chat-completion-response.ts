// The replies of /v1/chat/completions: one body, or chunks of which only the changing part is written anew.

import { z } from 'zod'
import type { ChatFinish, ChatNews, ChatPart, ChatPrompt, ChatResult, ChatUsage } from '../chat/chat-event.js'
import type { ReplyHead } from './completion-response.js'
import {
  chatLogprobs,
  chatLogprobsSchema,
  type LogprobStyle,
  promptLogprobs,
  promptLogprobsSchema,
} from './logprobs.js'
import { usageBody, usageSchema } from './usage.js'

const toolCallSchema = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
})

const messageSchema = z.object({
  role: z.string(),
  content: z.string().nullable(),
  refusal: z.string().nullish(),
  reasoning: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  tool_calls: z.array(toolCallSchema).optional(),
})

const finishFields = {
  finish_reason: z.string().nullable(),
  stop_reason: z.union([z.int(), z.string()]).nullish(),
  token_ids: z.array(z.int()).nullish(),
}

const headFields = { id: z.string(), created: z.int(), model: z.string(), system_fingerprint: z.string().nullish() }

export const chatCompletionSchema = z.object({
  ...headFields,
  object: z.literal('chat.completion'),
  choices: z.array(
    z.object({
      index: z.int(),
      message: messageSchema,
      logprobs: chatLogprobsSchema.nullable(),
      ...finishFields,
    }),
  ),
  usage: usageSchema,
  prompt_logprobs: promptLogprobsSchema.nullish(),
  prompt_token_ids: z.array(z.int()).nullish(),
  prompt_text: z.string().nullish(),
})

const deltaSchema = messageSchema.partial().extend({
  tool_calls: z
    .array(
      z.object({
        index: z.int(),
        id: z.string().optional(),
        type: z.literal('function').optional(),
        function: z.object({ name: z.string().optional(), arguments: z.string() }),
      }),
    )
    .optional(),
})

export const chatCompletionChunkSchema = z.object({
  ...headFields,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(
    z.object({
      index: z.int(),
      delta: deltaSchema,
      logprobs: chatLogprobsSchema.nullable(),
      ...finishFields,
    }),
  ),
  usage: usageSchema.nullish(),
  prompt_token_ids: z.array(z.int()).nullish(),
  prompt_text: z.string().nullish(),
})

/** How a reply is written. */
export interface ChatReplyStyle {
  readonly head: ReplyHead
  readonly role: string
  /** What choices begin with: a message that is told again. */
  readonly echo: string
  /** undefined: no logprobs. */
  readonly logprobs: LogprobStyle | undefined
  readonly returnTokenIds: boolean
  readonly returnPromptText: boolean
  /** A named tool was asked for: its call is an ordinary end. */
  readonly namedTool: boolean
}

export function chatCompletionBody(result: ChatResult, prompt: ChatPrompt, style: ChatReplyStyle) {
  const { head, role, echo, returnTokenIds, returnPromptText } = style
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: result.choices.map(({ index, reasoning, content, toolCalls, finish, tokenIds, logprobs }) => ({
      index,
      message: {
        role,
        content: echo === '' ? content : echo + (content ?? ''),
        refusal: null,
        reasoning,
        ...(reasoning !== null && { reasoning_content: reasoning }),
        ...(toolCalls.length > 0 && {
          tool_calls: toolCalls.map(({ id, name, arguments: text }) => ({
            id,
            type: 'function',
            function: { name, arguments: text },
          })),
        }),
      },
      logprobs: style.logprobs === undefined || logprobs === null ? null : chatLogprobs(logprobs, style.logprobs),
      finish_reason: finishReason(finish, style),
      stop_reason: finish.stopReason,
      token_ids: returnTokenIds ? tokenIds : null,
    })),
    usage: usageBody(result.usage, head.tellCached),
    system_fingerprint: null,
    prompt_logprobs: result.promptLogprobs === null ? null : promptLogprobs(result.promptLogprobs),
    prompt_token_ids: returnTokenIds ? Array.from(prompt.tokenIds) : null,
    ...(returnPromptText && { prompt_text: prompt.text }),
  }
}

function finishReason({ reason }: ChatFinish, { namedTool }: ChatReplyStyle): string {
  if (reason === 'toolCalls') return namedTool ? 'stop' : 'tool_calls'
  return reason
}

const QUIET = ',"logprobs":null,"finish_reason":null}'

/** Frames of one stream. */
export class ChatChunkWriter {
  readonly #open: string
  readonly #style: ChatReplyStyle

  constructor(style: ChatReplyStyle) {
    const { id, created, model } = style.head
    const fields = JSON.stringify({ id, object: 'chat.completion.chunk', created, model })
    this.#open = `data: ${fields.slice(0, -1)},"choices":[`
    this.#style = style
  }

  /** The chunk that opens a choice, and its echo. */
  begin(index: number, prompt: ChatPrompt, usage?: ChatUsage): string {
    const { role, echo, returnTokenIds, returnPromptText } = this.#style
    const delta = JSON.stringify({ role, content: '' })
    let rest = this.#usage(usage)
    if (returnTokenIds) rest += `,"prompt_token_ids":${JSON.stringify(Array.from(prompt.tokenIds))}`
    if (returnPromptText) rest += `,"prompt_text":${JSON.stringify(prompt.text)}`
    const begun = `${this.#open}{"index":${index},"delta":${delta}${QUIET}]${rest}}\n\n`
    if (echo === '') return begun
    return `${begun}${this.#open}{"index":${index},"delta":{"content":${JSON.stringify(echo)}}${QUIET}]${this.#usage(usage)}}\n\n`
  }

  /** News of one choice; empty if they are not worth a chunk. */
  news(news: ChatNews, usage?: ChatUsage): string {
    const { choice, parts, finish } = news
    const { logprobs, returnTokenIds } = this.#style
    const tellsTokens = (logprobs !== undefined || returnTokenIds) && news.tokenIds.length > 0
    if (parts.length === 0 && finish === null && !tellsTokens) return ''
    const opening = `${this.#open}{"index":${choice},"delta":${deltaOf(parts)}`
    if (finish === null && !tellsTokens) return `${opening}${QUIET}]${this.#usage(usage)}}\n\n`
    let rest = ',"logprobs":'
    rest +=
      logprobs === undefined || news.logprobs === null ? 'null' : JSON.stringify(chatLogprobs(news.logprobs, logprobs))
    rest += `,"finish_reason":${finish === null ? 'null' : JSON.stringify(finishReason(finish, this.#style))}`
    if (finish !== null) rest += `,"stop_reason":${JSON.stringify(finish.stopReason)}`
    if (returnTokenIds) rest += `,"token_ids":${JSON.stringify(news.tokenIds)}`
    return `${opening}${rest}}]${this.#usage(usage)}}\n\n`
  }

  /** The chunk that ends a stream with its usage. */
  total(usage: ChatUsage): string {
    return `${this.#open}]${this.#usage(usage)}}\n\n`
  }

  #usage(usage: ChatUsage | undefined): string {
    if (usage === undefined) return ''
    return `,"usage":${JSON.stringify(usageBody(usage, this.#style.head.tellCached))}`
  }
}

interface CallDelta {
  readonly index: number
  readonly id?: string
  readonly type?: 'function'
  readonly function: { readonly name?: string; arguments: string }
}

/** Parts of one choice as one delta: text is joined, and what a call newly has is one entry. */
function deltaOf(parts: readonly ChatPart[]): string {
  const [only] = parts
  if (only === undefined) return '{}'
  if (parts.length === 1 && only.kind === 'content') return `{"content":${JSON.stringify(only.text)}}`
  let content = ''
  let reasoning = ''
  const calls = new Map<number, CallDelta>()
  for (const part of parts) {
    if (part.kind === 'content') content += part.text
    else if (part.kind === 'reasoning') reasoning += part.text
    else if (part.kind === 'call') {
      const { index, id, name } = part
      calls.set(index, { index, id, type: 'function', function: { name, arguments: '' } })
    } else {
      const call = calls.get(part.index) ?? { index: part.index, function: { arguments: '' } }
      call.function.arguments += part.text
      calls.set(part.index, call)
    }
  }
  return JSON.stringify({
    ...(reasoning !== '' && { reasoning, reasoning_content: reasoning }),
    ...(content !== '' && { content }),
    ...(calls.size > 0 && { tool_calls: [...calls.values()] }),
  })
}
