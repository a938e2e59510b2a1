// `GET /metrics`: for Prometheus.

import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8'

export const metricsRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/metrics',
  description: { summary: 'Metrics in the text format of Prometheus', tag: 'Operations', contentType: 'text/plain' },
  handle: async (_request, { operations }) => ({
    kind: 'text',
    body: await operations.metricsText(),
    headers: { 'content-type': TEXT_FORMAT },
  }),
}
