// `GET /health`: 200 while requests are served, 503 when the engine is dead or the server shuts down.

import { RequestError } from '../request-error.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

export const healthRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/health',
  description: { summary: 'Whether requests are served', tag: 'Operations', errors: [503] },
  handle: async (_request, { engine, operations }) => {
    const { status } = engine.health()
    if (status !== 'ok') throw new RequestError(503, `The engine is ${status}.`)
    if (operations.draining) throw new RequestError(503, 'The server is shutting down.')
    return { kind: 'text', body: '' }
  },
}
