// All endpoints, one line each.

import type { Route } from './route.js'
import type { ServerContext } from './server-context.js'

export const routes: readonly Route<ServerContext>[] = []
