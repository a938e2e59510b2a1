// What endpoints get of the server: the engine, the names of the model, what the operator decided, and the way in for requests.

import type { Engine, EngineRequest, RequestStream } from '../engine/index.js'
import type { Clock } from './clock.js'
import type { Logger } from './logger.js'
import type { PooledCall } from './pooling-intake.js'
import type { ResponseStore } from './responses/response-store.js'
import type { Route, RouteRequest } from './route.js'
import type { ServerConfig } from './server-config.js'

/** What the endpoints for operators may see and do. */
export interface Operations {
  /** All metrics, in Prometheus' text format. */
  metricsText(): Promise<string>
  /** Requests in the engine. */
  readonly numRequests: number
  /** Ends requests, by their own ids or those of their HTTP requests; says how many. */
  abort(requestIds: ReadonlySet<string>): number
  abortAll(): number
  /** The server takes no more requests. */
  readonly draining: boolean
  readonly version: string
  /** When the server was made, in milliseconds since 1970. */
  readonly startedMs: number
  /** What `/openapi.json` describes. */
  readonly routes: readonly Route<ServerContext>[]
}

/** A whole answer, or a piece of a stream, that was looked through for calls. */
export interface ToolParse {
  /** The path of the route that it is for. */
  readonly endpoint: string | undefined
  readonly streaming: boolean
  /** There is a call in it, or a part of one. */
  readonly foundCall: boolean
}

/** What generating needs of it: all that a program in this process has, where there is no server. */
export type GenerationContext = Pick<ServerContext, 'engine' | 'config' | 'logger' | 'clock' | 'submit' | 'onToolParse'>

export interface ServerContext {
  readonly engine: Engine
  /** Names that requests may ask for; the first is what replies say. */
  readonly modelNames: readonly [string, ...string[]]
  readonly config: ServerConfig
  readonly logger: Logger
  readonly clock: Clock
  /**
   * The way into the engine: `Engine.add` with the bound on what waits, the metrics, traces and the log. The request ends
   * with `from.signal`; its `requestId` must be unlike that of all that run.
   * @throws RequestError 429 beyond the bound, 503 while the server shuts down; what `Engine.add` throws.
   */
  submit(request: EngineRequest, from: RouteRequest): RequestStream
  /** The same for what generates nothing. @throws RequestError 429, 503; what the engine throws. */
  pool<Output>(call: PooledCall<Output>, from: RouteRequest): Promise<readonly Output[]>
  /** Told of every text that was looked through for calls; absent where nobody counts. */
  readonly onToolParse?: (look: ToolParse) => void
  readonly operations: Operations
  /** What /v1/responses keeps. */
  readonly responses: ResponseStore
  /** Nothing for a name that is served, or for none. @throws RequestError 404. */
  checkModel(model: string | null | undefined): void
}
