// `GET /v1/models` and `GET /v1/models/{id}`: the names that are served.

import { type ModelObject, modelListSchema, modelObject, modelSchema } from '../protocol/operation-objects.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

export const modelsRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/v1/models',
  description: { summary: 'The models that are served', tag: 'OpenAI', response: modelListSchema },
  handle: async (_request, context) => ({
    kind: 'json',
    body: { object: 'list', data: context.modelNames.map(name => describe(name, context)) },
  }),
}

export const modelRoute: Route<ServerContext> = {
  method: 'GET',
  // Names may be those of Hugging Face, with a slash.
  path: '/v1/models/:model*',
  description: { summary: 'One of the models', tag: 'OpenAI', response: modelSchema, errors: [404] },
  handle: async ({ params }, context) => {
    const name = params.model ?? ''
    context.checkModel(name)
    return { kind: 'json', body: describe(name, context) }
  },
}

function describe(name: string, { engine, modelNames, operations }: ServerContext): ModelObject {
  return modelObject({
    name,
    createdSeconds: Math.floor(operations.startedMs / 1000),
    maxModelLen: engine.maxModelLen,
    root: modelNames[0],
  })
}
