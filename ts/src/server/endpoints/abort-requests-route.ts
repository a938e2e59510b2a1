// `POST /abort_requests`: ends the requests that are named, or all.

import { abortedObject, abortedSchema, abortRequestSchema, requestIdsOf } from '../protocol/operation-objects.js'
import { parseBody } from '../protocol/parse-body.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

export const abortRequestsRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/abort_requests',
  description: {
    summary: 'End requests: those that are named, or all',
    tag: 'Development',
    request: abortRequestSchema,
    response: abortedSchema,
  },
  handle: async ({ body }, { operations }) => {
    const ids = requestIdsOf(parseBody(abortRequestSchema, body))
    const count = ids === undefined ? operations.abortAll() : operations.abort(new Set(ids))
    return { kind: 'json', body: abortedObject(count) }
  },
}
