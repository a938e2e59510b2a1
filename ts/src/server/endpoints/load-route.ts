// `GET /load`: how many requests are in the engine.

import { loadObject, loadSchema } from '../protocol/operation-objects.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

export const loadRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/load',
  description: { summary: 'Requests in the engine', tag: 'Operations', response: loadSchema },
  handle: async (_request, { operations }) => ({ kind: 'json', body: loadObject(operations.numRequests) }),
}
