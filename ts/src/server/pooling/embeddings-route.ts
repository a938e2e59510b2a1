// POST /v1/embeddings: vectors of texts or of token ids.

import type { EmbeddingOutput } from '../../engine/index.js'
import type { PooledCall } from '../pooling-intake.js'
import {
  embeddingBody,
  embeddingRequestSchema,
  embeddingResponseSchema,
  parseEmbeddingRequest,
} from '../protocol/embeddings.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { refuse, refuseLongInputs } from './pooled-lengths.js'
import { replyHead } from './pooled-reply.js'

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
    context.checkModel(model)
    refuseLongInputs(inputs, options, context)
    const head = replyHead('embd', route, id, context)
    const call: PooledCall<EmbeddingOutput> = {
      requestId: head.id,
      inputs,
      run: signal => context.engine.embed(inputs, { ...options, signal }),
      numTokens: ({ promptTokenIds }) => promptTokenIds.length,
    }
    return {
      kind: 'json',
      body: embeddingBody(head, await context.pool(call, route).catch(refuse('input')), encodingFormat),
    }
  },
}
