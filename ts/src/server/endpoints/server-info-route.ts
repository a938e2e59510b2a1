// `GET /server_info`: what the server runs and how it was told to.

import { serverInfoObject, serverInfoSchema } from '../protocol/operation-objects.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

export const serverInfoRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/server_info',
  description: { summary: 'What runs, and how', tag: 'Development', response: serverInfoSchema },
  handle: async (_request, { engine, modelNames, config, operations }) => {
    // Keys stay where they are.
    const { apiKeys, ...gate } = config.gate
    return {
      kind: 'json',
      body: serverInfoObject({
        version: operations.version,
        modelNames,
        model: { ...engine.modelInfo },
        cache: { ...engine.cacheInfo },
        maxModelLen: engine.maxModelLen,
        config: { endpoints: config.endpoints, log: config.log, gate: { ...gate, numApiKeys: apiKeys.length } },
        stats: { ...engine.stats() },
      }),
    }
  },
}
