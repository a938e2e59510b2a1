// What a client is told when its request cannot be answered: a status, and the fields of OpenAI's error object. The engine's
// errors become one here, and no message names a file of this machine.

import { EngineError, type ErrorCode, InvalidArgumentError } from '../errors.js'
import { wireName, wireSentence } from './protocol/wire-name.js'

/** The names of error types that clients of OpenAI's servers and of vLLM know. */
export type RequestErrorType =
  | 'BadRequestError'
  | 'AuthenticationError'
  | 'PermissionDeniedError'
  | 'NotFoundError'
  | 'MethodNotAllowedError'
  | 'RequestTimeoutError'
  | 'ConflictError'
  | 'RequestEntityTooLargeError'
  | 'UnprocessableEntityError'
  | 'RateLimitError'
  | 'InternalServerError'
  | 'NotImplementedError'
  | 'ServiceUnavailableError'
  | 'GatewayTimeoutError'

const typeOfStatus: Readonly<Record<number, RequestErrorType>> = {
  400: 'BadRequestError',
  401: 'AuthenticationError',
  403: 'PermissionDeniedError',
  404: 'NotFoundError',
  405: 'MethodNotAllowedError',
  408: 'RequestTimeoutError',
  409: 'ConflictError',
  413: 'RequestEntityTooLargeError',
  422: 'UnprocessableEntityError',
  429: 'RateLimitError',
  500: 'InternalServerError',
  501: 'NotImplementedError',
  503: 'ServiceUnavailableError',
  504: 'GatewayTimeoutError',
}

export interface RequestErrorOptions {
  /** Default: the status, as vLLM has it. */
  readonly code?: string | number
  /** The field of the request that is wrong, in the wire's spelling. */
  readonly param?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** The body of an error reply. */
export interface ErrorBody {
  readonly error: {
    readonly message: string
    readonly type: RequestErrorType
    readonly param: string | null
    readonly code: string | number
  }
}

export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly status: number
  readonly type: RequestErrorType
  readonly code: string | number
  readonly param: string | null
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, options: RequestErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.status = status
    this.type = typeOfStatus[status] ?? (status < 500 ? 'BadRequestError' : 'InternalServerError')
    this.code = options.code ?? status
    this.param = options.param ?? null
    this.headers = options.headers ?? {}
  }

  /** A field that is missing, of the wrong type or out of range. `param` is the wire's name of it. */
  static badRequest(message: string, param?: string, code?: string): RequestError {
    return new RequestError(400, message, {
      ...(param !== undefined && { param }),
      ...(code !== undefined && { code }),
    })
  }

  /** The client left before its reply: for metrics and the log, nobody reads it. The status is nginx's. */
  static clientGone(): RequestError {
    return new RequestError(499, 'The client left before the reply.')
  }

  static modelNotFound(model: string): RequestError {
    return new RequestError(404, `The model \`${model}\` does not exist.`, { param: 'model', code: 'model_not_found' })
  }

  /** The prompt, or the prompt and what it asks for, does not fit into the model. */
  static contextLengthExceeded(message: string, param: string): RequestError {
    return new RequestError(400, message, { param, code: 'context_length_exceeded' })
  }

  /** Too much waits already; the client may come again after `retryAfterSeconds`. */
  static overloaded(message: string, retryAfterSeconds: number): RequestError {
    return new RequestError(429, message, { headers: { 'retry-after': String(retryAfterSeconds) } })
  }

  /** The server's state, or what its operator asked for: no failure that anybody would look for. */
  get isExpected(): boolean {
    const { status, cause } = this
    if (cause === undefined) return status === 503 || status === 504
    // An engine that is closed because something broke has a cause of its own.
    return isEngineError(cause) && asked.has(cause.code) && cause.cause === undefined
  }

  get body(): ErrorBody {
    const { message, type, param, code } = this
    return { error: { message, type, param, code } }
  }
}

/** Errors that say what is wrong with the request itself. Everything else is the server's fault or state. */
const clientErrors: ReadonlySet<ErrorCode> = new Set([
  'ERR_INVALID_ARGUMENT',
  'ERR_PROMPT_EMPTY',
  'ERR_PROMPT_TOO_LONG',
  'ERR_TOKEN_OUT_OF_RANGE',
  'ERR_TOKENIZER',
  'ERR_CHAT_TEMPLATE',
  'ERR_NOT_SUPPORTED',
  'ERR_GRAMMAR_INVALID',
  'ERR_GRAMMAR_UNSUPPORTED',
  'ERR_GRAMMAR_TOO_COMPLEX',
  'ERR_GRAMMAR_STUCK',
])

/** Errors about the prompt itself. */
const promptErrors: ReadonlySet<ErrorCode> = new Set([
  'ERR_PROMPT_EMPTY',
  'ERR_PROMPT_TOO_LONG',
  'ERR_TOKEN_OUT_OF_RANGE',
])

/** Errors of an engine that was told to end a request, or to close. */
const asked: ReadonlySet<ErrorCode> = new Set(['ERR_ABORTED', 'ERR_CLOSED'])

/** What of the server's own failures a client is told; the log has the rest. */
const serverFailures: Readonly<Partial<Record<ErrorCode, readonly [number, string]>>> = {
  ERR_CLOSED: [503, 'The server is shutting down.'],
  ERR_ABORTED: [500, 'The request was aborted by the server.'],
  ERR_OUT_OF_MEMORY: [500, 'There is not enough memory for this request.'],
  ERR_RUNNER: [500, 'The model failed in a step of this request.'],
  ERR_LOGITS_PROCESSOR: [500, 'A logits processor of this request failed.'],
  ERR_WORKER: [500, 'The process that runs the model failed; the request may be sent again.'],
}

/** The error that a client gets for whatever an endpoint threw. */
export function toRequestError(error: unknown): RequestError {
  if (error instanceof RequestError) return error
  // A signal that was aborted with the reason that the client is to be told.
  if (error instanceof EngineError && error.cause instanceof RequestError) return error.cause
  if (!isEngineError(error)) return new RequestError(500, 'The server failed to answer this request.', { cause: error })
  if (!clientErrors.has(error.code)) {
    const [status, message] = serverFailures[error.code] ?? [500, 'The server failed to answer this request.']
    return new RequestError(status, message, { cause: error })
  }
  const parameter = parameterOf(error)
  const param = parameter === undefined ? undefined : wireName(parameter)
  const spelled = parameter === undefined ? error.message : respell(error.message, parameter, wireName(parameter))
  // What a grammar's error points at is a place in the request's schema, such as /properties/maxTokens/items.
  const message = error.code.startsWith('ERR_GRAMMAR_') ? spelled : withoutPaths(wireSentence(spelled))
  return new RequestError(400, message, {
    cause: error,
    ...(promptErrors.has(error.code) && { param: 'prompt' }),
    ...(param !== undefined && { param }),
    ...(error.code === 'ERR_PROMPT_TOO_LONG' && { code: 'context_length_exceeded' }),
  })
}

/** The same error, about the field that this request has for what is wrong; one that is the server's fault stays as it is. */
export function aboutField(thrown: unknown, param: string): RequestError {
  const error = toRequestError(thrown)
  if (error.status !== 400) return error
  const { message, code, headers, cause } = error
  return new RequestError(400, message, { param, code, headers, cause })
}

/** By shape: a plugin may have its errors from another copy of this package. */
function isEngineError(error: unknown): error is EngineError {
  if (error instanceof EngineError) return true
  return (
    error instanceof Error && /^ERR_[A-Z_]+$/.test(String((error as { code?: unknown }).code)) && 'details' in error
  )
}

function parameterOf(error: EngineError): string | undefined {
  if (error instanceof InvalidArgumentError) return error.parameter
  const { parameter } = error.details
  return typeof parameter === 'string' ? parameter : undefined
}

/** The same message about a field that is called otherwise. */
export function respell(message: string, from: string, to: string): string {
  return from === to ? message : message.replaceAll(new RegExp(`\\b${from.replace(/\W/g, '\\$&')}\\b`, 'g'), to)
}

/** Absolute paths of files, on any system, and URLs of files; a lone `/` or a path of two parts such as `/v1/models` stays. */
const HOST_PATH = /file:\/\/[^\s'"`)]+|(?<![\w:/.])(?:\/[\w.@+~-]+){3,}\/?|\b[A-Za-z]:\\[^\s'"`)]+/g

function withoutPaths(message: string): string {
  const [withoutStack = ''] = message.split(/\n\s+at /, 1)
  return withoutStack.replace(HOST_PATH, '<path>')
}
