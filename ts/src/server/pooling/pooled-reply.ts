// What embeddings, scores and rankings have in common as endpoints: the name of the model, the bound on what waits, the head of
// the reply.

import { replyId } from '../generation/submission.js'
import type { PooledReplyHead } from '../protocol/embeddings.js'
import { RequestError } from '../request-error.js'
import type { RouteRequest } from '../route.js'
import type { ServerContext } from '../server-context.js'

/** After how many seconds a client that was turned away may come again. */
const RETRY_AFTER_SECONDS = 1

/** @throws RequestError 404 for another model, 429 if too much waits already, 503 while the server shuts down. */
export function checkAdmission(model: string | undefined, context: ServerContext): void {
  const { engine, config, operations } = context
  const { maxSequences } = config.gate
  context.checkModel(model)
  if (operations.draining) throw new RequestError(503, 'The server is shutting down.')
  if (engine.numRequests >= maxSequences) {
    throw RequestError.overloaded(
      `The server is overloaded: ${engine.numRequests} requests run or wait, and ${maxSequences} may.`,
      RETRY_AFTER_SECONDS,
    )
  }
}

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
