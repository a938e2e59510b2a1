// POST /tokenize and /detokenize: text, or a conversation, to ids, and ids to text.

import { nextTurn } from '../../engine/index.js'
import { renderPrompt } from '../chat/chat-prompt.js'
import { refuseEndlessText } from '../generation/text-length.js'
import {
  detokenizeRequestSchema,
  detokenizeResponseSchema,
  parseDetokenizeRequest,
  parseTokenizeRequest,
  type TokenizeRequest,
  tokenizeRequestSchema,
  tokenizeResponseSchema,
} from '../protocol/tokenize.js'
import { tokenizeReply } from '../protocol/tokenize-reply.js'
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
  handle: async ({ body, signal }, context) => {
    const request = parseTokenizeRequest(body)
    context.checkModel(request.model)
    const ids = await tokenIds(request, context, signal)
    const strings = request.tokenStrings ? await tokenStrings(ids, context, signal) : undefined
    const reply = await tokenizeReply(ids, strings, context.engine.maxModelLen)
    return { kind: 'text', body: reply, headers: { 'content-type': 'application/json' } }
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
  handle: async ({ body, signal }, context) => {
    const { model, ids } = parseDetokenizeRequest(body)
    context.checkModel(model)
    const { vocabSize } = context.engine.modelInfo
    const wrong = ids.findIndex(id => id >= vocabSize)
    if (wrong !== -1) {
      const message = `tokens[${wrong}] is ${ids[wrong]}; ids of this model are 0 to ${vocabSize - 1}.`
      throw RequestError.badRequest(message, 'tokens')
    }
    return { kind: 'json', body: { prompt: await context.engine.decodeMany(ids, false, signal) } }
  },
}

async function tokenIds(
  request: TokenizeRequest,
  context: ServerContext,
  signal: AbortSignal,
): Promise<ArrayLike<number>> {
  if (request.kind === 'chat') return (await renderPrompt(request.turn, context, signal)).tokenIds
  refuseEndlessText(request.text, 'prompt', context)
  const [ids = new Int32Array(0)] = await context.engine.encode([request.text], request.addSpecialTokens, signal)
  return ids
}

/** Ids that are looked up before others have their turn. */
const IDS_PER_TURN = 20_000

/** The text of each id alone. */
async function tokenStrings(
  ids: ArrayLike<number>,
  { engine }: ServerContext,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const known = new Map<number, string>()
  const strings: string[] = []
  for (let index = 0; index < ids.length; index += 1) {
    const id = ids[index] as number
    const text = known.get(id) ?? engine.decode([id], false)
    known.set(id, text)
    strings.push(text)
    if (index % IDS_PER_TURN !== IDS_PER_TURN - 1) continue
    await nextTurn()
    signal.throwIfAborted()
  }
  return strings
}
