// Errors on their way between threads: a clone keeps neither class nor code, so both travel as data and are put together again.

import * as errors from '../errors.js'

export interface PortableError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: errors.ErrorCode
  readonly details?: errors.ErrorDetails
  readonly cause?: PortableError
}

/** Causes of causes that travel along. */
const DEEPEST_CAUSE = 4

export function toPortable(error: unknown, depth = 0): PortableError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message, stack, cause } = error
  const { code, details } = error as Partial<errors.EngineError>
  return {
    name,
    message,
    ...(stack !== undefined && { stack }),
    ...(typeof code === 'string' && { code, details: cloneable(details) }),
    ...(cause !== undefined && depth < DEEPEST_CAUSE && { cause: toPortable(cause, depth + 1) }),
  }
}

/** An error of the same class, with the code, details and cause that it had. */
export function fromPortable({ name, message, stack, code, details, cause }: PortableError): Error {
  const options = {
    ...(details !== undefined && { details }),
    ...(cause !== undefined && { cause: fromPortable(cause) }),
  }
  const error = code?.startsWith('ERR_') ? new errors.EngineError(code, message, options) : new Error(message, options)
  const ownClass = code === undefined ? undefined : classOf(name, code)
  if (ownClass !== undefined) Object.setPrototypeOf(error, ownClass.prototype)
  if (ownClass === errors.InvalidArgumentError)
    Object.defineProperty(error, 'parameter', { value: details?.parameter, enumerable: true })
  error.name = name
  if (stack !== undefined) error.stack = stack
  return error
}

type ErrorClass = { readonly name: string; readonly prototype: Error }

/** By the name that the constructor wrote into the error; an aborted request bears the name that the platform gives. */
function classOf(name: string, code: errors.ErrorCode): ErrorClass | undefined {
  if (code === 'ERR_ABORTED') return errors.RequestAbortedError
  const classes = Object.values(errors) as unknown as readonly ErrorClass[]
  return classes.find(each => each.name === name && each.prototype instanceof errors.EngineError)
}

/** Details without what cannot be cloned. */
function cloneable(details: errors.ErrorDetails | undefined): errors.ErrorDetails {
  try {
    return structuredClone(details ?? {})
  } catch {
    return Object.fromEntries(
      Object.entries(details ?? {}).map(([key, value]) => [key, isPlain(value) ? value : String(value)]),
    )
  }
}

function isPlain(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean', 'undefined', 'bigint'].includes(typeof value)
}
