// POST /v1/chat/completions: a turn, in OpenAI's words.

import { EventPump } from '../generation/event-pump.js'
import { replyId } from '../generation/submission.js'
import {
  type ChatCompletionRequest,
  chatCompletionRequestSchema,
  parseChatCompletionRequest,
} from '../protocol/chat-completion-request.js'
import {
  type ChatReplyStyle,
  chatCompletionBody,
  chatCompletionChunkSchema,
  chatCompletionSchema,
} from '../protocol/chat-completion-response.js'
import { RequestError, respell, toRequestError } from '../request-error.js'
import type { Reply, Route, RouteRequest } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { ChatChunks } from './chat-chunks.js'
import type { ChatRequest } from './chat-request.js'
import { runChatTurn, startChatTurn } from './start-chat-turn.js'

export const chatCompletionsRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/v1/chat/completions',
  description: {
    summary: 'Answers a conversation.',
    tag: 'OpenAI',
    request: chatCompletionRequestSchema,
    response: chatCompletionSchema,
    event: chatCompletionChunkSchema,
    errors: [404, 429],
  },
  handle: answer,
}

async function answer(route: RouteRequest, context: ServerContext): Promise<Reply> {
  const request = parseChatCompletionRequest(route.body)
  context.checkModel(request.model)
  const id = replyId(route, request.id)
  const style = replyStyle(request, id, context)
  try {
    return await reply(request, { ...request.turn, requestId: id }, style, route, context)
  } catch (error) {
    throw inWordsOf(request, error)
  }
}

async function reply(
  request: ChatCompletionRequest,
  turnRequest: ChatRequest,
  style: ChatReplyStyle,
  route: RouteRequest,
  context: ServerContext,
): Promise<Reply> {
  if (!request.turn.stream) {
    const { prompt, result } = await runChatTurn(turnRequest, route, context)
    return { kind: 'json', body: chatCompletionBody(result, prompt, style) }
  }
  const turn = await startChatTurn(turnRequest, route, context)
  const chunks = new ChatChunks({
    turn,
    style,
    includeUsage: request.includeUsage || context.config.endpoints.forceIncludeUsage,
    continuousUsage: request.continuousUsage,
  })
  return { kind: 'events', events: new EventPump(chunks, request.streamInterval) }
}

/** Turns know neither `top_logprobs` nor that lengths have two names: the error is about the field that was sent. */
function inWordsOf({ maxTokensParam }: ChatCompletionRequest, error: unknown): unknown {
  const { message, param, code, status } = toRequestError(error)
  if (status !== 400) return error
  const sent = param === 'logprobs' ? 'top_logprobs' : param === 'max_completion_tokens' ? maxTokensParam : param
  if (sent === param || sent === null || param === null) return error
  return new RequestError(status, respell(message, param, sent), { code, param: sent })
}

function replyStyle(request: ChatCompletionRequest, id: string, context: ServerContext): ChatReplyStyle {
  const { endpoints } = context.config
  const { turn, logprobs } = request
  const last = turn.messages.at(-1)
  const continued = turn.prompt?.addGenerationPrompt === false || (turn.prompt?.continueFinalMessage ?? false)
  const role = continued ? (last?.role ?? endpoints.responseRole) : endpoints.responseRole
  return {
    head: {
      id: `chatcmpl-${id}`,
      created: Math.floor(context.clock.now() / 1000),
      model: context.modelNames[0],
      tellCached: endpoints.promptTokensDetails,
    },
    role,
    echo: request.echo && last?.role === role ? textOf(last.content) : '',
    logprobs:
      logprobs === undefined
        ? undefined
        : { top: logprobs, asTokenIds: request.tokensAsIds ?? endpoints.returnTokensAsTokenIds },
    returnTokenIds: request.returnTokenIds,
    returnPromptText: request.returnPromptText,
    namedTool: typeof turn.toolChoice === 'object',
  }
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  return Array.isArray(content) ? content.map(({ text }: { text?: unknown }) => String(text ?? '')).join('\n') : ''
}
