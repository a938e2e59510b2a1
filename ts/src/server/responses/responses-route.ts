// POST /v1/responses: a turn, in the words of OpenAI's Responses API.

import { randomBytes } from 'node:crypto'
import type { ChatRequest } from '../chat/chat-request.js'
import { runChatTurn, startChatTurn } from '../chat/start-chat-turn.js'
import { EventPump } from '../generation/event-pump.js'
import { ResponseEventWriter, responseEventSchema } from '../protocol/responses-events.js'
import { respelled } from '../protocol/responses-fields.js'
import type { InputItem } from '../protocol/responses-input-items.js'
import { parseResponsesRequest, type ResponsesRequest, responsesRequestSchema } from '../protocol/responses-request.js'
import { type ResponseBody, type ResponseHead, responseSchema, wholeResponse } from '../protocol/responses-response.js'
import { RequestError, toRequestError } from '../request-error.js'
import type { Reply, Route, RouteRequest } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { BackgroundRun } from './background-run.js'
import { itemsFor, messagesFor } from './conversation.js'
import { ResponseEvents, secondsOf } from './response-events.js'

export const responsesRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/v1/responses',
  description: {
    summary: 'Answers a conversation, in the form of the Responses API.',
    tag: 'OpenAI',
    request: responsesRequestSchema,
    response: responseSchema,
    event: responseEventSchema,
    errors: [404],
  },
  handle: answer,
}

/** A response that is to be made. */
interface Asked {
  readonly request: ResponsesRequest
  readonly items: readonly InputItem[]
  readonly turn: Omit<ChatRequest, 'stream'>
  readonly head: ResponseHead
  readonly context: ServerContext
}

async function answer(route: RouteRequest, context: ServerContext): Promise<Reply> {
  const request = parseResponsesRequest(route.body)
  context.checkModel(request.model)
  const { responses: store } = context
  if (request.background && !store.keeps) {
    throw RequestError.badRequest(
      'This server keeps no responses, so that none can run in the background.',
      'background',
    )
  }
  const id = `resp_${randomBytes(16).toString('hex')}`
  const items = itemsFor(request, store)
  try {
    const messages = await messagesFor(request, items, context, route.signal)
    const turn = { ...request.turn, messages, requestId: id }
    return await answerTurn({ request, items, turn, head: headOf(id, request, context), context }, route)
  } catch (error) {
    throw respelled(toRequestError(error), { format: request.hasFormat })
  }
}

async function answerTurn(asked: Asked, route: RouteRequest): Promise<Reply> {
  const { request, turn, head, context } = asked
  if (request.background) return answerInBackground(asked, route)
  if (request.stream) return answerStreamed(asked, route)
  const { result } = await runChatTurn({ ...turn, stream: false }, route, context)
  const body = wholeResponse(head, result, secondsOf(context.clock))
  keep(asked, body)
  return { kind: 'json', body }
}

async function answerStreamed(asked: Asked, route: RouteRequest): Promise<Reply> {
  const { context, head, request } = asked
  const turn = await startChatTurn({ ...asked.turn, stream: true }, route, context)
  const writer = new ResponseEventWriter(head, 'in_progress')
  const events = new ResponseEvents({ turn, writer, clock: context.clock, onEnd: body => keep(asked, body) })
  return { kind: 'events', events: new EventPump(events, request.streamInterval) }
}

/** The turn ends with itself rather than with the socket that brought it. */
async function answerInBackground(asked: Asked, route: RouteRequest): Promise<Reply> {
  const { context, head, request, items } = asked
  const { responses: store, clock } = context
  const detached = { ...route, body: {}, signal: new AbortController().signal }
  const turn = await startChatTurn({ ...asked.turn, stream: true }, detached, context)
  const writer = new ResponseEventWriter(head, 'queued')
  const events = new ResponseEvents({
    turn,
    writer,
    clock,
    onEnd: body => store.put({ body, items, run }, false),
  })
  const run: BackgroundRun = new BackgroundRun(events, request.stream, bytes => store.grow(head.id, bytes))
  const body = writer.response
  store.put({ body, items, run }, true)
  run.start()
  if (!request.stream) return { kind: 'json', body }
  return { kind: 'events', events: new EventPump(run.follow(-1)) }
}

function keep({ request, items, context }: Asked, body: ResponseBody): void {
  if (request.store) context.responses.put({ body, items }, true)
}

function headOf(id: string, { echo, logprobs }: ResponsesRequest, context: ServerContext): ResponseHead {
  const { engine, config, modelNames, clock } = context
  const { temperature, topP } = engine.defaultSamplingParams
  const { returnTokensAsTokenIds: asTokenIds } = config.endpoints
  return {
    id,
    createdSeconds: secondsOf(clock),
    model: modelNames[0],
    echo,
    temperature,
    topP,
    logprobs: logprobs === undefined ? undefined : { top: logprobs, asTokenIds },
  }
}
