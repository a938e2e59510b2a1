// POST /v1/completions/render and /v1/chat/completions/render: what a request becomes, without running it.

import { prepareChatTurn } from '../chat/start-chat-turn.js'
import { completionEngineRequest } from '../completions/completion-engine-request.js'
import { preparePrompts } from '../completions/completion-prompts.js'
import { replyId } from '../generation/submission.js'
import { chatCompletionRequestSchema, parseChatCompletionRequest } from '../protocol/chat-completion-request.js'
import { completionRequestSchema, parseCompletionRequest } from '../protocol/completion-request.js'
import { renderedBody, renderedRequestSchema } from '../protocol/render.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { type TokenOffset, tokenOffsets } from './token-offsets.js'

export const renderCompletionRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/v1/completions/render',
  description: {
    summary: 'The ids and parameters that a completion would run with, one for each prompt.',
    tag: 'Tokenizer',
    request: completionRequestSchema,
    response: renderedRequestSchema.array(),
    errors: [404],
  },
  handle: async (route, context) => {
    const request = parseCompletionRequest(route.body)
    context.checkModel(request.model)
    const id = replyId(route, request.id)
    const prompts = await preparePrompts(request, context, route.signal)
    const bodies = prompts.map(prompt => {
      const { promptTokenIds, params, priority, cacheSalt } = completionEngineRequest(request, prompt, id, context)
      return renderedBody({
        requestId: `cmpl-${id}`,
        tokenIds: promptTokenIds,
        text: prompt.text,
        tokenOffsets: request.returnTokenOffsets ? offsetsOf(prompt, context) : null,
        params,
        thinkingTokenBudget: request.thinkingTokenBudget,
        model: context.modelNames[0],
        stream: request.stream,
        cacheSalt,
        priority,
      })
    })
    return { kind: 'json', body: bodies }
  },
}

export const renderChatRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/v1/chat/completions/render',
  description: {
    summary: 'The prompt, ids and parameters that a chat completion would run with.',
    tag: 'Tokenizer',
    request: chatCompletionRequestSchema,
    response: renderedRequestSchema,
    errors: [404],
  },
  handle: async (route, context) => {
    const request = parseChatCompletionRequest(route.body)
    context.checkModel(request.model)
    const id = replyId(route, request.id)
    const { prompt, params } = await prepareChatTurn({ ...request.turn, requestId: id }, route, context)
    const body = renderedBody({
      requestId: `chatcmpl-${id}`,
      tokenIds: prompt.tokenIds,
      text: prompt.text,
      tokenOffsets: request.returnTokenOffsets ? offsetsOf(prompt, context) : null,
      params,
      thinkingTokenBudget: request.turn.thinkingTokenBudget,
      model: context.modelNames[0],
      stream: request.turn.stream,
      cacheSalt: request.turn.cacheSalt,
      priority: request.turn.priority,
    })
    return { kind: 'json', body }
  },
}

/** Prompts that were given as ids have no text to stand in. */
function offsetsOf(
  { text, tokenIds }: { readonly text: string | undefined; readonly tokenIds: ArrayLike<number> },
  { engine }: ServerContext,
): TokenOffset[] | null {
  return text === undefined ? null : tokenOffsets(text, tokenIds, (ids, skips) => engine.decode(ids, skips))
}
