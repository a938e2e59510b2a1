// POST /rerank, /v1/rerank and /v2/rerank: documents in the order of how well they answer a query.

import type { ScoreOutput } from '../../engine/index.js'
import type { PooledCall } from '../pooling-intake.js'
import { parseRerankRequest, rerankBody, rerankRequestSchema, rerankResponseSchema } from '../protocol/rerank.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { refuse, refuseLongPairs } from './pooled-lengths.js'
import { replyHead } from './pooled-reply.js'

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
    context.checkModel(request.model)
    const { query, documents, truncatePromptTokens, truncationSide } = request
    const pairs = documents.map(document => [query, document] as const)
    const options = {
      ...(truncatePromptTokens !== undefined && { truncatePromptTokens }),
      ...(truncationSide !== undefined && { truncationSide }),
    }
    refuseLongPairs(pairs, options, 'documents', context)
    const head = replyHead('rerank', route, request.id, context)
    const call: PooledCall<ScoreOutput> = {
      requestId: head.id,
      inputs: pairs,
      run: signal => context.engine.score(pairs, { ...options, signal }),
      numTokens: ({ numTokens }) => numTokens,
    }
    return { kind: 'json', body: rerankBody(head, request, await context.pool(call, route).catch(refuse('documents'))) }
  },
}))
