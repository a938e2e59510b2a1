// What is asked of a server before the load: which models it has, and whether it answers yet.

import { setTimeout as sleep } from 'node:timers/promises'
import { ServerError } from '../../errors.js'
import type { ConnectionPool } from '../http/connection-pool.js'
import { exchangeText } from '../http/exchange-text.js'
import { type RequestHeaders, requestBytes } from '../http/request-head.js'
import type { Target } from '../http/target.js'
import { type ListedModel, readErrorMessage, readModelList } from '../openai-wire.js'
import { generateLoad, type LoadRequest } from './load-generator.js'

const TIMEOUT_MS = 30_000
const READY_PAUSE_MS = 1000

/** The first model of `/v1/models`. @throws ServerError if there is none, with the server's words. */
export async function firstModel(pool: ConnectionPool, target: Target, headers: RequestHeaders): Promise<ListedModel> {
  let reason: string
  try {
    const { status, text } = await exchangeText(pool, requestBytes(target, 'GET', '/v1/models', headers), TIMEOUT_MS)
    const [model] = readModelList(text)
    if (model !== undefined) return model
    reason = status === 200 ? 'its list is empty' : `HTTP ${status}: ${readErrorMessage(text)}`
  } catch (error) {
    reason = reasonOf(error)
  }
  throw new ServerError(`The server at ${target.authority} names no model (${reason}).`)
}

/** Sends `request` until it is answered. @throws ServerError with the last failure. */
export async function waitUntilReady(
  pool: ConnectionPool,
  request: LoadRequest,
  timeoutS: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const until = performance.now() + timeoutS * 1000
  for (;;) {
    const left = until - performance.now()
    const timeout = AbortSignal.timeout(Math.max(Math.ceil(left), 1))
    const error = await tryOnce(pool, request, signal === undefined ? timeout : AbortSignal.any([signal, timeout]))
    if (error === undefined) return
    signal?.throwIfAborted()
    if (performance.now() + READY_PAUSE_MS >= until) {
      throw new ServerError(`The server did not get ready within ${timeoutS} s: ${error}`)
    }
    await sleep(READY_PAUSE_MS, undefined, { ...(signal !== undefined && { signal }) })
  }
}

/** Why the request failed; undefined if it did not. */
async function tryOnce(pool: ConnectionPool, request: LoadRequest, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { records } = await generateLoad(pool, {
      requests: [request],
      arrivals: Float64Array.of(0),
      keepText: false,
      signal,
    })
    return records[0]?.error
  } catch (error) {
    return reasonOf(error)
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
