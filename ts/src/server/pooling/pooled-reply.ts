// What the replies of embeddings, scores and rankings have in common: their head.

import { replyId } from '../generation/submission.js'
import type { PooledReplyHead } from '../protocol/embeddings.js'
import type { RouteRequest } from '../route.js'
import type { ServerContext } from '../server-context.js'

/** `prefix` and the request's id, the time, the name that replies say. */
export function replyHead(
  prefix: string,
  route: RouteRequest,
  ofBody: string | undefined,
  { clock, modelNames }: ServerContext,
): PooledReplyHead {
  return {
    id: `${prefix}-${replyId(route, ofBody)}`,
    created: Math.floor(clock.now() / 1000),
    model: modelNames[0],
  }
}
