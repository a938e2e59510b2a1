// From a request to its reply, without sockets: who is let in, which endpoint it is, the body, the endpoint's reply or the
// error's. Whoever carries replies to clients calls this; it never throws.

import { randomUUID } from 'node:crypto'
import { ApiKeys } from './api-keys.js'
import { type BodyChunks, BodyReader, type HeldBytes } from './body-reader.js'
import { Cors } from './cors.js'
import { parseJsonBody } from './json-body.js'
import type { HttpMetrics } from './metrics/http-metrics.js'
import { RequestError, toRequestError } from './request-error.js'
import type { EventSource, HeaderReader, Reply, Route } from './route.js'
import { Router } from './router.js'
import type { GateConfig } from './server-config.js'
import type { ServerContext } from './server-context.js'

/** A request as its carrier has it. */
export interface IncomingRequest {
  readonly method: string
  /** Path and query as they were sent. */
  readonly target: string
  readonly headers: HeaderReader
  readonly body: () => BodyChunks
  /** Aborted by the carrier when the client is gone, and here when its time is over. */
  readonly controller: AbortController
}

/** A reply as its carrier delivers it. */
export interface OutgoingReply {
  readonly status: number
  readonly headers: Record<string, string>
  /** Undefined: no body. */
  readonly content: string | Uint8Array | EventSource | undefined
  /** To be called once: when all is delivered, or cannot be. */
  done(): void
}

const JSON_TYPE = 'application/json'
const EVENT_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  // Proxies that buffer would keep the events.
  'x-accel-buffering': 'no',
}

export class Dispatcher {
  readonly #context: ServerContext
  readonly #gate: GateConfig
  readonly #http: HttpMetrics
  readonly #router: Router<ServerContext>
  readonly #keys: ApiKeys
  readonly #cors: Cors
  readonly #bodies: BodyReader
  readonly #inFlight = new Set<AbortController>()
  readonly #idle: (() => void)[] = []

  constructor(context: ServerContext, routes: readonly Route<ServerContext>[], http: HttpMetrics) {
    const { gate } = context.config
    this.#context = context
    this.#gate = gate
    this.#http = http
    this.#router = new Router(routes)
    this.#keys = new ApiKeys(gate)
    this.#cors = new Cors(gate)
    this.#bodies = new BodyReader(gate)
  }

  /** Requests whose replies are not delivered yet. */
  get numInFlight(): number {
    return this.#inFlight.size
  }

  /** A carrier has another connection. */
  connected(): void {
    this.#bodies.connected()
  }

  /** Resolves when every reply is delivered. */
  idle(): Promise<void> {
    if (this.#inFlight.size === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#idle.push(resolve)
    })
  }

  /** Ends what is being answered: clients get `reason`. */
  abortAll(reason: RequestError): void {
    for (const controller of [...this.#inFlight]) controller.abort(reason)
  }

  async answer(incoming: IncomingRequest): Promise<OutgoingReply> {
    const visit = this.#begin(incoming)
    try {
      const reply = await this.#reply(incoming, visit)
      return this.#outgoing(incoming, visit, reply)
    } catch (error) {
      return this.#outgoing(incoming, visit, this.#errorReply(error, visit))
    }
  }

  #begin({ method, target, headers, controller }: IncomingRequest): Visit {
    this.#http.began()
    this.#inFlight.add(controller)
    const { requestTimeoutMs, rootPath } = this.#gate
    const { path, search } = partsOf(target, rootPath)
    const timer =
      requestTimeoutMs === 0
        ? undefined
        : setTimeout(() => controller.abort(timedOut(requestTimeoutMs)), requestTimeoutMs)
    return {
      requestId: requestIdOf(headers),
      arrivalMs: this.#context.clock.now(),
      method,
      path,
      search,
      handler: 'none',
      errorBody: undefined,
      signal: controller.signal,
      timer,
    }
  }

  async #reply(incoming: IncomingRequest, visit: Visit): Promise<Reply> {
    const { headers, controller } = incoming
    const { method, path } = visit
    if (method === 'OPTIONS') return this.#preflight(headers, path)
    if (!this.#keys.allows(path, headers)) throw unauthorized()
    const { route, params } = this.#router.match(method, path)
    visit.handler = route.path
    visit.errorBody = route.errorBody
    if (method !== 'GET' && method !== 'HEAD' && this.#cors.isForeign(headers)) {
      throw new RequestError(403, 'Pages of this origin may not call the server (see --allowed-origins).')
    }
    const held: HeldBytes = { bytes: 0 }
    try {
      const body = route.method === 'POST' ? await this.#body(incoming, held) : {}
      controller.signal.throwIfAborted()
      const query = new URLSearchParams(visit.search)
      const { requestId, arrivalMs } = visit
      return await route.handle(
        { endpoint: route.path, requestId, arrivalMs, headers, params, query, body, signal: controller.signal },
        this.#context,
      )
    } finally {
      this.#bodies.release(held)
    }
  }

  #body({ headers, body, controller }: IncomingRequest, held: HeldBytes): Promise<Readonly<Record<string, unknown>>> {
    const { maxJsonDepth } = this.#gate
    const { signal } = controller
    return this.#bodies.read({ chunks: body(), contentLength: headers.get('content-length'), signal }, held, bytes =>
      parseJsonBody(bytes, headers, maxJsonDepth),
    )
  }

  #preflight(headers: HeaderReader, path: string): Reply {
    const allowed = this.#cors.preflight(headers)
    const methods = [...this.#router.methodsOf(path), 'OPTIONS']
    return { kind: 'text', status: 204, body: '', headers: { allow: methods.join(', '), ...allowed } }
  }

  #errorReply(thrown: unknown, { requestId, method, path, signal, errorBody }: Visit): Reply {
    const error = signal.aborted ? abortError(signal) : toRequestError(thrown)
    const { status } = error
    if (status >= 500 && error.isExpected) {
      this.#context.logger.warn({ requestId, method, path, status, reason: error.message }, 'not served')
    } else if (status >= 500) {
      this.#context.logger.error({ requestId, method, path, status, err: error.cause ?? error }, 'failed')
    }
    const body = errorBody?.(error) ?? (error.status === 401 ? UNAUTHORIZED_BODY : error.body)
    return { kind: 'json', status, body, headers: error.headers }
  }

  #outgoing(incoming: IncomingRequest, visit: Visit, reply: Reply): OutgoingReply {
    const status = (reply.kind === 'events' ? undefined : reply.status) ?? 200
    const headers = { ...this.#cors.headersFor(incoming.headers), ...contentHeaders(reply), ...reply.headers }
    if (this.#gate.requestIdHeaders) headers['x-request-id'] = visit.requestId
    let isDone = false
    return {
      status,
      headers,
      content: visit.method === 'HEAD' ? withoutContent(reply) : contentOf(reply),
      done: () => {
        if (isDone) return
        isDone = true
        this.#end(incoming.controller, visit, status)
      },
    }
  }

  #end(controller: AbortController, visit: Visit, status: number): void {
    const { clock, config, logger } = this.#context
    const { requestId, method, path, handler, arrivalMs, timer } = visit
    clearTimeout(timer)
    const ms = clock.now() - arrivalMs
    this.#http.ended({ method, handler, status, seconds: Math.max(0, ms) / 1000 })
    if (config.log.access) {
      logger.info({ requestId, method, path, status, durationMs: Math.round(ms * 10) / 10 }, 'request')
    }
    this.#inFlight.delete(controller)
    if (this.#inFlight.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }
}

/** A request on its way through. */
interface Visit {
  readonly requestId: string
  readonly arrivalMs: number
  readonly method: string
  readonly path: string
  readonly search: string
  readonly signal: AbortSignal
  readonly timer: NodeJS.Timeout | undefined
  /** The path of the route that was found. */
  handler: string
  /** How that route words its errors, where it has words of its own. */
  errorBody: Route<ServerContext>['errorBody']
}

/** A signal is aborted with what the client is to be told, or because there is no client any more. */
function abortError({ reason }: AbortSignal): RequestError {
  return reason instanceof RequestError ? reason : RequestError.clientGone()
}

/** As vLLM has it: not the shape of other errors. */
const UNAUTHORIZED_BODY = { error: 'Unauthorized' }

function unauthorized(): RequestError {
  return new RequestError(401, 'Unauthorized', { headers: { 'www-authenticate': 'Bearer' } })
}

function timedOut(ms: number): RequestError {
  return new RequestError(504, `The request was not answered within ${ms / 1000} seconds.`)
}

/** What a client may call its request: no control characters, no novels. */
function requestIdOf(headers: HeaderReader): string {
  const given = headers.get('x-request-id')
  return given !== null && /^[\x21-\x7e]{1,256}$/.test(given) ? given : randomUUID().replaceAll('-', '')
}

function partsOf(target: string, rootPath: string): { path: string; search: string } {
  // The absolute form, as clients send it to proxies.
  const local = target.startsWith('/') ? target : target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  const start = local.indexOf('?')
  const whole = start < 0 ? local : local.slice(0, start)
  const search = start < 0 ? '' : local.slice(start + 1)
  const isUnderRoot = rootPath !== '' && (whole === rootPath || whole.startsWith(`${rootPath}/`))
  const path = isUnderRoot ? whole.slice(rootPath.length) : whole
  return { path: path === '' ? '/' : path, search }
}

function contentHeaders(reply: Reply): Record<string, string> {
  switch (reply.kind) {
    case 'json':
      return { 'content-type': JSON_TYPE }
    case 'events':
      return { ...EVENT_HEADERS }
    case 'text':
      return reply.body === '' ? {} : { 'content-type': 'text/plain; charset=utf-8' }
    case 'bytes':
      return { 'content-type': 'application/octet-stream' }
  }
}

function contentOf(reply: Reply): OutgoingReply['content'] {
  switch (reply.kind) {
    case 'json':
      return JSON.stringify(reply.body)
    case 'events':
      return reply.events
    default:
      return reply.body.length === 0 ? undefined : reply.body
  }
}

function withoutContent(reply: Reply): undefined {
  if (reply.kind === 'events') reply.events.cancel()
}
