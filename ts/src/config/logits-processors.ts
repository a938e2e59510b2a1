// Logits processors: functions of the caller's that change rows of logits before a token is drawn. What they are, where the
// engine finds them, and how a request asks for them.

import { InvalidArgumentError } from '../errors.js'
import { check } from './check.js'

/** A value that JSON can write. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue }

/** A request's arguments for logits processors, frozen. */
export type ExtraArgs = Readonly<Record<string, JsonValue>>

/** What a processor is told of the row that it is given. */
export interface LogitsContext {
  /** The ids of the prompt. */
  readonly promptTokenIds: Int32Array
  /** Ids generated so far. */
  readonly outputTokenIds: Int32Array
  /** Which of the request's continuations (`n`) the next token belongs to. */
  readonly index: number
  /** The request's `extraArgs`; empty if it has none. */
  readonly args: ExtraArgs
}

/**
 * Changes a row of logits, one for each token id, in place, or gives another row of the same length. -Infinity makes an id
 * impossible, Infinity certain. The row is that of the model under grammar, `allowedTokenIds`, `logitBias` and `minTokens`; what
 * these forbid stays forbidden. Penalties, temperature and the rest follow. It must be a function of its arguments.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement is meant.
export type LogitsProcessor = (row: Float32Array, context: LogitsContext) => Float32Array | void

/** A processor with what else the engine asks of it. */
export interface LogitsProcessorDefinition {
  /** Changes a row of logits in its place. */
  readonly process: LogitsProcessor
  /** Throws if a request's arguments are not as the processor needs them; the request is refused. */
  readonly validate?: (args: ExtraArgs) => void
}

/** Where a processor is: a path or URL of a module that has it as its default export, or, where the loop runs in this thread, itself. */
export type LogitsProcessorSource = string | URL | LogitsProcessor | LogitsProcessorDefinition

/** The same with a name, and every path as the URL of a module. */
export interface NamedLogitsProcessor {
  readonly name: string
  readonly source: string | LogitsProcessor | LogitsProcessorDefinition
}

const LONGEST_NAME = 128
const MODULE_URL = /^(?:file|https?|data|blob):/i

/** @throws InvalidArgumentError. */
export function parseProcessorSources(
  option: string,
  value: unknown,
  resolve: (path: string) => string,
): readonly NamedLogitsProcessor[] {
  const sources = check.object(option, value) as Readonly<Record<string, unknown>>
  if (Array.isArray(sources))
    throw new InvalidArgumentError(option, `${option} must be an object of processors by name.`)
  const named = Object.entries(sources).map(([name, source]) => {
    checkName(option, name)
    return Object.freeze({ name, source: toSource(`${option}.${name}`, source, resolve) })
  })
  return Object.freeze(named)
}

function toSource(
  path: string,
  source: unknown,
  resolve: (path: string) => string,
): string | LogitsProcessor | LogitsProcessorDefinition {
  if (source instanceof URL) return source.href
  if (typeof source === 'string' && source !== '' && !source.includes('\0')) {
    return MODULE_URL.test(source) ? source : urlOfFile(resolve(source))
  }
  if (isProcessor(source)) return source
  const message = `${path} must be the path or URL of a module, a function, or an object with the function \`process\`.`
  throw new InvalidArgumentError(path, message, source)
}

/** Whether this is a processor itself. */
export function isProcessor(value: unknown): value is LogitsProcessor | LogitsProcessorDefinition {
  if (typeof value === 'function') return true
  if (typeof value !== 'object' || value === null) return false
  const { process, validate } = value as Partial<LogitsProcessorDefinition>
  return typeof process === 'function' && (validate === undefined || typeof validate === 'function')
}

function urlOfFile(path: string): string {
  const url = new URL('file:///')
  const [, host, share] = /^\\\\([^\\]+)(\\.*)$/.exec(path) ?? []
  if (host !== undefined) url.hostname = host
  // A URL takes a backslash for a separator, which it is on Windows alone.
  const plain = (share ?? path).replaceAll('%', '%25')
  url.pathname = path.startsWith('/') ? plain.replaceAll('\\', '%5C') : plain
  return url.href
}

function checkName(option: string, name: unknown): string {
  if (check.string(option, name) === '' || (name as string).length > LONGEST_NAME) {
    const message = `The name of a logits processor must have 1 to ${LONGEST_NAME} characters.`
    throw new InvalidArgumentError(option, message, name)
  }
  return name as string
}

/** Names of processors, each once. @throws InvalidArgumentError. */
export function parseProcessorNames(field: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) {
    throw new InvalidArgumentError(field, `${field} must be a list of the names of processors.`, value)
  }
  return Object.freeze([...new Set(value.map(name => checkName(field, name)))])
}

const DEEPEST = 32

/** A frozen copy of plain data. @throws InvalidArgumentError for what JSON cannot write. */
export function parseExtraArgs(field: string, value: unknown): ExtraArgs {
  if (Array.isArray(check.object(field, value))) {
    throw new InvalidArgumentError(field, `${field} must be an object.`, value)
  }
  return plainCopy(field, value, 0) as ExtraArgs
}

function plainCopy(field: string, value: unknown, depth: number): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'object' && depth < DEEPEST) {
    const inner = (one: unknown) => plainCopy(field, one, depth + 1)
    if (Array.isArray(value)) return Object.freeze(value.map(inner))
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) {
      const given = Object.entries(value).filter(([, one]) => one !== undefined)
      return Object.freeze(Object.fromEntries(given.map(([name, one]) => [name, inner(one)])))
    }
  }
  const message = `${field} must be plain data: null, booleans, finite numbers, strings, lists and objects of them, no more than ${DEEPEST} deep.`
  throw new InvalidArgumentError(field, message, value)
}
