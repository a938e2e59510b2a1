// Requests on their way into the engine: several at once, all of them or none.

import type { EngineRequest, RequestOutput, RequestStream } from '../../engine/index.js'
import { constraintField } from '../protocol/structured-output-fields.js'
import { aboutField, RequestError } from '../request-error.js'
import type { RouteRequest } from '../route.js'
import type { GenerationContext } from '../server-context.js'

/** The id that a reply has: the header's, else the body's, else the one that was drawn. */
export function replyId(route: RouteRequest, ofBody: string | undefined): string {
  return route.headers.get('x-request-id') === null ? (ofBody ?? route.requestId) : route.requestId
}

let numEngineIds = 0

/** An id for the engine that no other request has: callers may send the same one twice. */
export function engineId(replyId: string): string {
  numEngineIds += 1
  return `${replyId}-${numEngineIds.toString(36)}`
}

/** @throws what refuses one of them; the others are taken back then. */
export async function submitAll(
  requests: readonly EngineRequest[],
  route: RouteRequest,
  context: GenerationContext,
): Promise<readonly RequestStream[]> {
  for (const request of requests) checkPriority(request, context)
  const streams: RequestStream[] = []
  try {
    for (const request of requests) streams.push(context.submit(request, route))
    await Promise.all(streams.map(stream => stream.admitted))
  } catch (error) {
    for (const stream of streams) stream.abort()
    const field = isGrammarError(error) ? constraintField(route.body) : undefined
    throw field === undefined ? error : aboutField(error, field)
  }
  return streams
}

function isGrammarError(error: unknown): boolean {
  return error instanceof Error && String((error as { code?: unknown }).code).startsWith('ERR_GRAMMAR_')
}

/** @throws RequestError for a priority that would mean nothing. */
function checkPriority({ priority = 0 }: EngineRequest, { engine }: GenerationContext): void {
  if (priority === 0 || engine.schedulingPolicy === 'priority') return
  const message = `priority is ${priority}, but this server takes requests in order of arrival: it must be 0.`
  throw RequestError.badRequest(message, 'priority')
}

/** The whole outputs. @throws what ended one of them early; the others are ended then. */
export async function finalOutputs(streams: readonly RequestStream[]): Promise<readonly RequestOutput[]> {
  try {
    return await Promise.all(streams.map(stream => stream.final()))
  } catch (error) {
    for (const stream of streams) stream.abort()
    throw error
  }
}
