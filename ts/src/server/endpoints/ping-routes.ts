// `GET` and `POST /ping`: `/health` as SageMaker asks for it.

import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { healthRoute } from './health-route.js'

export const pingGetRoute: Route<ServerContext> = { ...healthRoute, path: '/ping' }
export const pingPostRoute: Route<ServerContext> = { ...pingGetRoute, method: 'POST' }
