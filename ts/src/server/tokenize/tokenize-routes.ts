// POST /tokenize and /detokenize: text, or a conversation, to ids, and ids to text.

import { renderPrompt } from '../chat/chat-prompt.js'
import {
  detokenizeRequestSchema,
  detokenizeResponseSchema,
  parseDetokenizeRequest,
  parseTokenizeRequest,
  type TokenizeRequest,
  tokenizeBody,
  tokenizeRequestSchema,
  tokenizeResponseSchema,
} from '../protocol/tokenize.js'
import { RequestError } from '../request-error.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

export const tokenizeRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/tokenize',
  description: {
    summary: 'Token ids of a text or a conversation.',
    tag: 'Tokenizer',
    request: tokenizeRequestSchema,
    response: tokenizeResponseSchema,
    errors: [404],
  },
  handle: async ({ body }, context) => {
    const request = parseTokenizeRequest(body)
    context.checkModel(request.model)
    const ids = await tokenIds(request, context)
    const strings = request.tokenStrings ? Array.from(ids, id => context.engine.decode([id], false)) : undefined
    return { kind: 'json', body: tokenizeBody(ids, context.engine.maxModelLen, strings) }
  },
}

export const detokenizeRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/detokenize',
  description: {
    summary: 'The text of token ids.',
    tag: 'Tokenizer',
    request: detokenizeRequestSchema,
    response: detokenizeResponseSchema,
    errors: [404],
  },
  handle: async ({ body }, context) => {
    const { model, ids } = parseDetokenizeRequest(body)
    context.checkModel(model)
    const { vocabSize } = context.engine.modelInfo
    const wrong = ids.findIndex(id => id >= vocabSize)
    if (wrong !== -1) {
      const message = `tokens[${wrong}] is ${ids[wrong]}; ids of this model are 0 to ${vocabSize - 1}.`
      throw RequestError.badRequest(message, 'tokens')
    }
    return { kind: 'json', body: { prompt: context.engine.decode(ids, false) } }
  },
}

async function tokenIds(request: TokenizeRequest, context: ServerContext): Promise<ArrayLike<number>> {
  if (request.kind === 'chat') return (await renderPrompt(request.turn, context)).tokenIds
  const [ids = new Int32Array(0)] = await context.engine.encode([request.text], request.addSpecialTokens)
  return ids
}
