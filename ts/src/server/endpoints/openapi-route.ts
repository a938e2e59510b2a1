// `GET /openapi.json`: all endpoints of this server, made of the schemas that check their requests.

import { openApiDocument } from '../openapi.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

/** Made once a server, when somebody asks. */
const documents = new WeakMap<ServerContext, unknown>()

export const openApiRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/openapi.json',
  description: { summary: 'This description', tag: 'Operations', contentType: 'application/json' },
  handle: async (_request, context) => {
    const { operations, config } = context
    const { rootPath, apiKeys } = config.gate
    const made =
      documents.get(context) ??
      openApiDocument(operations.routes, { version: operations.version, rootPath, hasKeys: apiKeys.length > 0 })
    documents.set(context, made)
    return { kind: 'json', body: made }
  },
}
