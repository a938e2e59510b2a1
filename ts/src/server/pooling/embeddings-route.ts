// POST /v1/embeddings: vectors of texts or of token ids.

import {
  embeddingBody,
  embeddingRequestSchema,
  embeddingResponseSchema,
  parseEmbeddingRequest,
} from '../protocol/embeddings.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { checkAdmission, replyHead } from './pooled-reply.js'

export const embeddingsRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/v1/embeddings',
  description: {
    summary: 'Vectors of texts or of token ids.',
    tag: 'OpenAI',
    request: embeddingRequestSchema,
    response: embeddingResponseSchema,
    errors: [404, 429],
  },
  handle: async (route, context) => {
    const { model, id, inputs, encodingFormat, ...options } = parseEmbeddingRequest(route.body)
    checkAdmission(model, context)
    const outputs = await context.engine.embed(inputs, { ...options, signal: route.signal })
    return { kind: 'json', body: embeddingBody(replyHead('embd', route, id, context), outputs, encodingFormat) }
  },
}
