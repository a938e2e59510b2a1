// The endpoints of responses that are kept: fetch one, its input, end one that runs in the background, delete one.

import { EventPump } from '../generation/event-pump.js'
import { responseEventSchema } from '../protocol/responses-events.js'
import {
  deletedBody,
  deletedResponseSchema,
  fetchOptions,
  fetchQuery,
  inputItemsBody,
  inputItemsQuery,
  inputItemsSchema,
} from '../protocol/responses-listing.js'
import { type ResponseBody, responseSchema } from '../protocol/responses-response.js'
import { RequestError } from '../request-error.js'
import type { Reply, Route, RouteRequest } from '../route.js'
import type { ServerContext } from '../server-context.js'
import type { KeptResponse } from './response-store.js'

const PATH = '/v1/responses/:id'

export const keptResponseRoutes: readonly Route<ServerContext>[] = [
  {
    method: 'GET',
    path: PATH,
    description: {
      summary: 'A response that is kept; one that runs in the background as far as it has come.',
      tag: 'OpenAI',
      query: fetchQuery,
      response: responseSchema,
      event: responseEventSchema,
      errors: [404],
    },
    handle: async (route, context) => {
      const kept = keptBy(route, context)
      const { stream, startingAfter } = fetchOptions(route.query)
      return stream ? followed(kept, startingAfter) : reply(bodyOf(kept))
    },
  },
  {
    method: 'DELETE',
    path: PATH,
    description: {
      summary: 'Deletes a response that is kept; one that runs is ended.',
      tag: 'OpenAI',
      response: deletedResponseSchema,
      errors: [404],
    },
    handle: async (route, context) => {
      const { id } = keptBy(route, context).body
      context.responses.delete(id)
      return reply(deletedBody(id))
    },
  },
  {
    method: 'POST',
    path: `${PATH}/cancel`,
    description: {
      summary: 'Ends a response that runs in the background.',
      tag: 'OpenAI',
      response: responseSchema,
      errors: [404],
    },
    handle: async (route, context) => {
      const kept = keptBy(route, context)
      if (kept.run === undefined) {
        throw RequestError.badRequest('Only responses that run in the background can be cancelled.', 'response_id')
      }
      kept.run.cancel()
      const body = bodyOf(kept)
      context.responses.put({ ...kept, body }, false)
      return reply(body)
    },
  },
  {
    method: 'GET',
    path: `${PATH}/input_items`,
    description: {
      summary: 'The items that a kept response answers.',
      tag: 'OpenAI',
      query: inputItemsQuery,
      response: inputItemsSchema,
      errors: [404],
    },
    handle: async (route, context) => reply(inputItemsBody(keptBy(route, context).items, route.query)),
  },
]

/** @throws RequestError 404. */
function keptBy({ params }: RouteRequest, { responses }: ServerContext): KeptResponse {
  const { id = '' } = params
  const kept = responses.get(id)
  if (kept !== undefined) return kept
  throw new RequestError(404, `Response with id '${id.slice(0, 256)}' not found.`, { param: 'response_id' })
}

function bodyOf({ body, run }: KeptResponse): ResponseBody {
  return run?.response ?? body
}

function followed({ run }: KeptResponse, startingAfter: number): Reply {
  if (run?.keepsEvents !== true) {
    const message = 'Only responses that were made in the background, with stream, can be streamed again.'
    throw RequestError.badRequest(message, 'stream')
  }
  return { kind: 'events', events: new EventPump(run.follow(startingAfter)) }
}

function reply(body: unknown): Reply {
  return { kind: 'json', body }
}
