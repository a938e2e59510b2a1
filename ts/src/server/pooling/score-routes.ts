// POST /score and /v1/score: how well texts fit each other, by a cross-encoder or by the cosine of vectors.

import type { ScoreOutput } from '../../engine/index.js'
import type { PooledCall } from '../pooling-intake.js'
import { parseScoreRequest, scoreBody, scoreRequestSchema, scoreResponseSchema } from '../protocol/score.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { refuse, refuseLongPairs } from './pooled-lengths.js'
import { replyHead } from './pooled-reply.js'

export const scoreRoutes: readonly Route<ServerContext>[] = ['/score', '/v1/score'].map(path => ({
  method: 'POST',
  path,
  description: {
    summary: 'How well texts fit each other: one against many, or each against its own.',
    tag: 'Pooling',
    request: scoreRequestSchema,
    response: scoreResponseSchema,
    errors: [404, 429],
  },
  handle: async (route, context) => {
    const { model, id, pairs, ...options } = parseScoreRequest(route.body)
    context.checkModel(model)
    refuseLongPairs(pairs, options, 'text_2', context)
    const head = replyHead('score', route, id, context)
    const call: PooledCall<ScoreOutput> = {
      requestId: head.id,
      inputs: pairs,
      run: signal => context.engine.score(pairs, { ...options, signal }),
      numTokens: ({ numTokens }) => numTokens,
    }
    return { kind: 'json', body: scoreBody(head, await context.pool(call, route).catch(refuse('text_2'))) }
  },
}))
