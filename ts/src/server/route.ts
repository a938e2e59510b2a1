// What an endpoint is to the server: a method, a path, and a function from a parsed request to a reply. Endpoints know no
// sockets; what carries them (a web `Response`, a socket of node:http) knows no endpoints.

import type { ZodType } from 'zod'
import type { RequestError } from './request-error.js'

/** Headers by their names, in lower case: a `Headers`, or what stands for one. */
export interface HeaderReader {
  get(name: string): string | null
}

/** A request, parsed as far as the server does it for all endpoints. */
export interface RouteRequest {
  /** The path of its route; absent where there is no server. */
  readonly endpoint?: string
  /** From `X-Request-Id`, else drawn. */
  readonly requestId: string
  /** When it came, in milliseconds since 1970. */
  readonly arrivalMs?: number
  readonly headers: HeaderReader
  /** Named parts of the path. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** The parsed JSON object; an empty one for methods without a body. */
  readonly body: Readonly<Record<string, unknown>>
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal
}

/** Where frames of an event stream go. */
export interface EventSink {
  /** Sends one frame, such as `data: {...}\n\n`. False: the reader is behind; wait for `onDrain` and merge what comes meanwhile. */
  send(frame: string): boolean
  onDrain(listener: () => void): void
  /** Ends the stream; nothing may be sent after it. */
  end(): void
}

/** Server-sent events: begun by whoever has a sink for them. */
export interface EventSource {
  start(sink: EventSink): void
  /** The reader is gone: frees what makes the events. */
  cancel(): void
}

export type Reply =
  | { readonly kind: 'json'; readonly body: unknown; readonly status?: number; readonly headers?: ReplyHeaders }
  | { readonly kind: 'text'; readonly body: string; readonly status?: number; readonly headers?: ReplyHeaders }
  | { readonly kind: 'bytes'; readonly body: Uint8Array; readonly status?: number; readonly headers?: ReplyHeaders }
  | { readonly kind: 'events'; readonly events: EventSource; readonly headers?: ReplyHeaders }

type ReplyHeaders = Readonly<Record<string, string>>

/** What `/openapi.json` says of an endpoint. */
export interface RouteDescription {
  readonly summary: string
  /** The heading that it stands under, such as `OpenAI` or `Operations`. */
  readonly tag: string
  /** The JSON body that it takes; none: it takes no body. */
  readonly request?: ZodType
  /** Query parameters and the values that they may have. */
  readonly query?: Readonly<Record<string, readonly string[]>>
  /** The JSON body of its reply; none: an empty body, or that of `contentType`. */
  readonly response?: ZodType
  /** One event of its stream, if it can reply with events. */
  readonly event?: ZodType
  /** Of a reply that is no JSON. */
  readonly contentType?: string
  /** The body of its errors, where it is not OpenAI's. */
  readonly error?: ZodType
  /** Statuses of errors that it has beside 400, 401 and 500. */
  readonly errors?: readonly number[]
}

/** An endpoint. `Context` is what it needs of the server: the engine, the models' names, limits. */
export interface Route<Context> {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** With `:name` for a part of the path, such as `/v1/responses/:id`; `:name*` at the end may have slashes in it. */
  readonly path: string
  readonly description: RouteDescription
  /** The body of its errors, where clients expect another than OpenAI's. */
  errorBody?(error: RequestError): unknown
  /** @throws RequestError, or what the engine throws; the server makes the error's reply of it. */
  handle(request: RouteRequest, context: Context): Promise<Reply>
}
