// POST /v1/messages and /v1/messages/count_tokens: a turn, in Anthropic's words.

import { renderPrompt } from '../chat/chat-prompt.js'
import { runChatTurn, startChatTurn } from '../chat/start-chat-turn.js'
import { EventPump } from '../generation/event-pump.js'
import { replyId } from '../generation/submission.js'
import {
  countTokensRequestSchema,
  messagesRequestSchema,
  parseCountTokensRequest,
  parseMessagesRequest,
} from '../protocol/messages-request.js'
import {
  countTokensBody,
  countTokensSchema,
  MessageEventWriter,
  messageBody,
  messageEventSchema,
  messageSchema,
  messagesErrorBody,
  messagesErrorSchema,
} from '../protocol/messages-response.js'
import type { Reply, Route, RouteRequest } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { MessageEvents } from './message-events.js'

export const messagesRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/v1/messages',
  description: {
    summary: 'Answers a conversation, in the form of the Messages API.',
    tag: 'Anthropic',
    request: messagesRequestSchema,
    response: messageSchema,
    event: messageEventSchema,
    error: messagesErrorSchema,
    errors: [404],
  },
  errorBody: messagesErrorBody,
  handle: answer,
}

export const countTokensRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/v1/messages/count_tokens',
  description: {
    summary: 'Counts the tokens of a conversation.',
    tag: 'Anthropic',
    request: countTokensRequestSchema,
    response: countTokensSchema,
    error: messagesErrorSchema,
    errors: [404],
  },
  errorBody: messagesErrorBody,
  handle: async ({ body, signal }, context) => {
    const { model, prompt } = parseCountTokensRequest(body)
    context.checkModel(model)
    const { tokenIds } = await renderPrompt(prompt, context, signal)
    return { kind: 'json', body: countTokensBody(tokenIds.length) }
  },
}

async function answer(route: RouteRequest, context: ServerContext): Promise<Reply> {
  const { model, turn } = parseMessagesRequest(route.body)
  context.checkModel(model)
  const id = replyId(route, undefined)
  const request = { ...turn, requestId: id }
  const head = {
    id: `msg_${id}`,
    model: context.modelNames[0],
    tellCached: context.config.endpoints.promptTokensDetails,
  }
  if (!turn.stream) {
    const { result } = await runChatTurn(request, route, context)
    return { kind: 'json', body: messageBody(head, result) }
  }
  const events = new MessageEvents(await startChatTurn(request, route, context), new MessageEventWriter(head))
  return { kind: 'events', events: new EventPump(events) }
}
