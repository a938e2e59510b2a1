// `GET /version`.

import { versionSchema } from '../protocol/operation-objects.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

export const versionRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/version',
  description: { summary: 'The version of the server', tag: 'Operations', response: versionSchema },
  handle: async (_request, { operations }) => ({ kind: 'json', body: { version: operations.version } }),
}
