// POST /rerank, /v1/rerank and /v2/rerank: documents in the order of how well they answer a query.

import { parseRerankRequest, rerankBody, rerankRequestSchema, rerankResponseSchema } from '../protocol/rerank.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { checkAdmission, replyHead } from './pooled-reply.js'

export const rerankRoutes: readonly Route<ServerContext>[] = ['/rerank', '/v1/rerank', '/v2/rerank'].map(path => ({
  method: 'POST',
  path,
  description: {
    summary: 'Documents in the order of how well they answer a query.',
    tag: 'Pooling',
    request: rerankRequestSchema,
    response: rerankResponseSchema,
    errors: [404, 429],
  },
  handle: async (route, context) => {
    const request = parseRerankRequest(route.body)
    checkAdmission(request.model, context)
    const { query, documents, truncatePromptTokens, truncationSide } = request
    const outputs = await context.engine.score(
      documents.map(document => [query, document] as const),
      {
        signal: route.signal,
        ...(truncatePromptTokens !== undefined && { truncatePromptTokens }),
        ...(truncationSide !== undefined && { truncationSide }),
      },
    )
    return { kind: 'json', body: rerankBody(replyHead('rerank', route, request.id, context), request, outputs) }
  },
}))
