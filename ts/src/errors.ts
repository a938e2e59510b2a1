// Every error that Quire throws: a subclass of EngineError with a stable `code`. Match on `code`, never on text.

/** Stable codes. A code is never renamed or reused. */
export type ErrorCode =
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_PROMPT_EMPTY'
  | 'ERR_PROMPT_TOO_LONG'
  | 'ERR_TOKEN_OUT_OF_RANGE'
  | 'ERR_MODEL_NOT_FOUND'
  | 'ERR_MODEL_INVALID'
  | 'ERR_MODEL_UNSUPPORTED'
  | 'ERR_TOKENIZER'
  | 'ERR_CHAT_TEMPLATE'
  | 'ERR_GRAMMAR_INVALID'
  | 'ERR_GRAMMAR_UNSUPPORTED'
  | 'ERR_GRAMMAR_TOO_COMPLEX'
  | 'ERR_GRAMMAR_STUCK'
  | 'ERR_LOGITS_PROCESSOR'
  | 'ERR_OBJECT_INCOMPLETE'
  | 'ERR_OBJECT_INVALID'
  | 'ERR_HUB_NOT_FOUND'
  | 'ERR_HUB_UNAUTHORIZED'
  | 'ERR_HUB_OFFLINE'
  | 'ERR_HUB_DOWNLOAD'
  | 'ERR_HUB_CACHE'
  | 'ERR_DISK_FULL'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_NO_FRAMEWORK'
  | 'ERR_PLUGIN'
  | 'ERR_NATIVE_BINDING'
  | 'ERR_NOT_SUPPORTED'
  | 'ERR_RUNNER'
  | 'ERR_WORKER'
  | 'ERR_SERVER'
  | 'ERR_ABORTED'
  | 'ERR_CLOSED'
  | 'ERR_INTERNAL'

/** Facts of an error as plain data: what was given, what is allowed. */
export type ErrorDetails = Readonly<Record<string, unknown>>

/** What an error may carry beside its code and message. */
export interface EngineErrorOptions {
  /** Facts of the error as plain data. Default: none. */
  readonly details?: ErrorDetails
  /** What led to it. */
  readonly cause?: unknown
}

/** The base of all errors of Quire. */
export class EngineError extends Error {
  /** What went wrong, for programs: it never changes. */
  readonly code: ErrorCode
  /** What was given, what is allowed and the like; which fields there are depends on the code. */
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.details = options.details ?? {}
  }
}

/** An option or parameter that cannot be: `parameter` names it, `details.value` is what was given. */
export class InvalidArgumentError extends EngineError {
  /** Name of the option or parameter, with the path of a field within it. */
  readonly parameter: string

  constructor(parameter: string, message: string, value?: unknown) {
    super('ERR_INVALID_ARGUMENT', `${message} (parameter=${parameter}, value=${show(value)})`, {
      details: { parameter, value },
    })
    this.parameter = parameter
  }
}

/** The prompt is empty, too long, or holds ids that the model does not have. */
export class PromptError extends EngineError {
  constructor(
    code: 'ERR_PROMPT_EMPTY' | 'ERR_PROMPT_TOO_LONG' | 'ERR_TOKEN_OUT_OF_RANGE',
    message: string,
    options?: EngineErrorOptions,
  ) {
    super(code, message, options)
  }
}

/** A model directory that is missing, broken, or of an architecture or dtype that the runner does not know. */
export class ModelError extends EngineError {
  constructor(
    code: 'ERR_MODEL_NOT_FOUND' | 'ERR_MODEL_INVALID' | 'ERR_MODEL_UNSUPPORTED',
    message: string,
    options?: EngineErrorOptions,
  ) {
    super(code, message, options)
  }
}

/** A model that the hub or its cache does not give; `details.reason` and `details.status` say more where they are known. */
export class HubError extends EngineError {
  constructor(
    code:
      | 'ERR_HUB_NOT_FOUND'
      | 'ERR_HUB_UNAUTHORIZED'
      | 'ERR_HUB_OFFLINE'
      | 'ERR_HUB_DOWNLOAD'
      | 'ERR_HUB_CACHE'
      | 'ERR_DISK_FULL',
    message: string,
    options?: EngineErrorOptions,
  ) {
    super(code, message, options)
  }
}

/** tokenizer.json cannot be read, or a text cannot be tokenized. */
export class TokenizerError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_TOKENIZER', message, options)
  }
}

/** The chat template is missing, broken, or refuses the messages. */
export class ChatTemplateError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_CHAT_TEMPLATE', message, options)
  }
}

/**
 * What an output must be is not valid, uses what is not supported (`details.keyword`, `details.place`), or is too complex; or no
 * token is left that grammar and sampling parameters both allow (`ERR_GRAMMAR_STUCK`).
 */
export class GrammarError extends EngineError {
  constructor(
    code: 'ERR_GRAMMAR_INVALID' | 'ERR_GRAMMAR_UNSUPPORTED' | 'ERR_GRAMMAR_TOO_COMPLEX' | 'ERR_GRAMMAR_STUCK',
    message: string,
    options?: EngineErrorOptions,
  ) {
    super(code, message, options)
  }
}

/**
 * A logits processor cannot be loaded; or it threw, gave a row of another length, wrote NaN or left no token possible, which ends
 * its request alone. `details.processors` has the names of those that may be at fault.
 */
export class LogitsProcessorError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_LOGITS_PROCESSOR', message, options)
  }
}

/** An output that should be an object was cut off, or the schema's own validation refuses it. `details.text` is the output. */
export class ObjectError extends EngineError {
  constructor(code: 'ERR_OBJECT_INCOMPLETE' | 'ERR_OBJECT_INVALID', message: string, options?: EngineErrorOptions) {
    super(code, message, options)
  }
}

/** Weights or KV cache do not fit into memory. */
export class OutOfMemoryError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_OUT_OF_MEMORY', message, options)
  }
}

/** No plugin can serve the model here; the message has every candidate's reason. */
export class NoFrameworkError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_NO_FRAMEWORK', message, options)
  }
}

/** A plugin that breaks the contract, or two that cannot be told apart. */
export class PluginError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_PLUGIN', message, options)
  }
}

/** The native module for this platform is missing or cannot be loaded. */
export class NativeBindingError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_NATIVE_BINDING', message, options)
  }
}

/** A call that this framework or device does not have. */
export class NotSupportedError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_NOT_SUPPORTED', message, options)
  }
}

/** The model runner failed in a step; the requests of that step end with this error, others go on. */
export class RunnerError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_RUNNER', message, options)
  }
}

/** The process of a rank died, hangs, or said what nobody asked; a new one can take its place. */
export class WorkerError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_WORKER', message, options)
  }
}

/** By the code: a plugin may have its error from another copy of this package. */
export function isWorkerError(error: unknown): error is WorkerError {
  return error instanceof Error && (error as { code?: unknown }).code === 'ERR_WORKER'
}

/** A server that was called did not answer, or refused; `details.status` is its HTTP status, if it gave one. */
export class ServerError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_SERVER', message, options)
  }
}

/** The caller's signal or `abort` ended the request. `cause` is the signal's reason. */
export class RequestAbortedError extends EngineError {
  constructor(message = 'The request was aborted.', options?: EngineErrorOptions) {
    super('ERR_ABORTED', message, options)
    this.name = 'AbortError'
  }
}

/** The engine was closed before or during the call. */
export class EngineClosedError extends EngineError {
  constructor(message = 'The engine is closed.', options?: EngineErrorOptions) {
    super('ERR_CLOSED', message, options)
  }
}

/** A broken invariant: this is a bug in Quire or in a plugin. */
export class InternalError extends EngineError {
  constructor(message: string, options?: EngineErrorOptions) {
    super('ERR_INTERNAL', /this is a bug/i.test(message) ? message : `${message} (this is a bug)`, options)
  }
}

/** What a native door returns instead of throwing: codes are lost by asynchronous napi calls. */
export interface NativeFailure {
  /** One of `ErrorCode`. */
  readonly code: string
  /** For people. */
  readonly message: string
  /** Facts as plain data. */
  readonly details?: ErrorDetails
}

/** Builds the typed error that a native door reported; an unknown code is an InternalError. */
export function errorFromNative(failure: NativeFailure): EngineError {
  const { code, message } = failure
  const options: EngineErrorOptions = failure.details === undefined ? {} : { details: failure.details }
  switch (code) {
    case 'ERR_INVALID_ARGUMENT': {
      const { parameter, value } = (failure.details ?? {}) as { parameter?: unknown; value?: unknown }
      return typeof parameter === 'string'
        ? new InvalidArgumentError(parameter, message, value)
        : new EngineError(code, message, options)
    }
    case 'ERR_PROMPT_EMPTY':
    case 'ERR_PROMPT_TOO_LONG':
    case 'ERR_TOKEN_OUT_OF_RANGE':
      return new PromptError(code, message, options)
    case 'ERR_MODEL_NOT_FOUND':
    case 'ERR_MODEL_INVALID':
    case 'ERR_MODEL_UNSUPPORTED':
      return new ModelError(code, message, options)
    case 'ERR_TOKENIZER':
      return new TokenizerError(message, options)
    case 'ERR_GRAMMAR_INVALID':
    case 'ERR_GRAMMAR_UNSUPPORTED':
    case 'ERR_GRAMMAR_TOO_COMPLEX':
    case 'ERR_GRAMMAR_STUCK':
      return new GrammarError(code, message, options)
    case 'ERR_LOGITS_PROCESSOR':
      return new LogitsProcessorError(message, options)
    case 'ERR_CHAT_TEMPLATE':
      return new ChatTemplateError(message, options)
    case 'ERR_OUT_OF_MEMORY':
      return new OutOfMemoryError(message, options)
    case 'ERR_NOT_SUPPORTED':
      return new NotSupportedError(message, options)
    case 'ERR_RUNNER':
      return new RunnerError(message, options)
    case 'ERR_WORKER':
      return new WorkerError(message, options)
    case 'ERR_CLOSED':
      return new EngineClosedError(message, options)
    case 'ERR_ABORTED':
      return new RequestAbortedError(message, options)
    case 'ERR_DISK_FULL':
      return new EngineError(code, message, options)
    default:
      return new InternalError(message, options)
  }
}

/** A value as an error message shows it: short, and never failing. */
function show(value: unknown): string {
  try {
    const text =
      typeof value === 'string' ? JSON.stringify(value) : Array.isArray(value) ? JSON.stringify(value) : String(value)
    return text.length > 100 ? `${text.slice(0, 100)}...` : text
  } catch {
    return typeof value
  }
}
