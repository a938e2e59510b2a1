// What an output must be: exactly one constraint, and how JSON is written. Checked and frozen here; compiled by the engine.

import { InvalidArgumentError } from '../errors.js'
import { check } from './check.js'

/** Constraints of which a request has exactly one, and options of those that write JSON. vLLM's, in camelCase. */
export interface StructuredOutputs {
  /** A JSON schema, as a value or as its text: the output is JSON that the schema accepts. */
  readonly json?: object | boolean | string
  /** The output matches this regular expression from its first to its last character. */
  readonly regex?: string
  /** The output is one of these strings. */
  readonly choice?: readonly string[]
  /** A grammar in Lark, or in EBNF as llama.cpp writes it (GBNF). */
  readonly grammar?: string
  /** The output is a JSON object of any shape. */
  readonly jsonObject?: true
  /** Free text in which tags are followed by what they ask for: vLLM's structural tag, as a value or as its text. */
  readonly structuralTag?: object | string
  /** JSON without the whitespace that means nothing. Default false. */
  readonly disableAnyWhitespace?: boolean
  /** An object whose schema does not say takes no properties beside those that it names. Default false. */
  readonly disableAdditionalProperties?: boolean
  /** A regular expression of the whitespace that may stand between the tokens of JSON. */
  readonly whitespacePattern?: string
}

const kinds = ['json', 'regex', 'choice', 'grammar', 'jsonObject', 'structuralTag'] as const
const options = ['disableAnyWhitespace', 'disableAdditionalProperties', 'whitespacePattern'] as const
const names: ReadonlySet<string> = new Set([...kinds, ...options])

/** The same in its normal form: JSON as text, nothing that is undefined. @throws InvalidArgumentError. */
export function parseStructuredOutputs(name: string, value: unknown): StructuredOutputs {
  const given = check.object(name, value) as Readonly<Record<string, unknown>>
  const present = Object.entries(given).filter(([, field]) => field !== undefined && field !== null)
  for (const [field, fieldValue] of present) {
    if (!names.has(field))
      throw new InvalidArgumentError(`${name}.${field}`, 'There is no such constraint.', fieldValue)
  }
  const chosen = kinds.filter(kind => present.some(([field]) => field === kind))
  const [kind] = chosen
  if (kind === undefined || chosen.length > 1) {
    const found = chosen.length === 0 ? 'none' : chosen.join(', ')
    throw new InvalidArgumentError(
      name,
      `${name} must have exactly one of ${kinds.join(', ')}; it has ${found}.`,
      found,
    )
  }
  const normal: Record<string, unknown> = { [kind]: parsed(`${name}.${kind}`, kind, given[kind]) }
  for (const option of options) {
    const set = given[option]
    if (set === undefined || set === null) continue
    const path = `${name}.${option}`
    normal[option] = option === 'whitespacePattern' ? nonEmpty(path, set) : check.boolean(path, set)
  }
  return Object.freeze(normal)
}

function parsed(name: string, kind: (typeof kinds)[number], value: unknown): unknown {
  switch (kind) {
    case 'json':
    case 'structuralTag':
      return typeof value === 'string' ? nonEmpty(name, value) : jsonText(name, value)
    case 'choice':
      return choices(name, value)
    case 'jsonObject':
      if (value !== true) throw new InvalidArgumentError(name, `${name} must be true.`, value)
      return true
    case 'regex':
      if (nonEmpty(name, value).includes('\0')) {
        throw new InvalidArgumentError(name, `${name} must not have the character NUL.`, value)
      }
      return value
    case 'grammar':
      return nonEmpty(name, value)
  }
}

function nonEmpty(name: string, value: unknown): string {
  if (check.string(name, value).trim() === '') throw new InvalidArgumentError(name, `${name} must not be empty.`, value)
  return value as string
}

function choices(name: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new InvalidArgumentError(name, `${name} must be a list of at least one string.`, value)
  }
  for (const item of value) {
    if (check.string(name, item) === '') throw new InvalidArgumentError(name, `${name} cannot contain an empty string.`)
  }
  return Object.freeze([...new Set(value as readonly string[])])
}

function jsonText(name: string, value: unknown): string {
  if (typeof value !== 'boolean') check.object(name, value)
  try {
    const text: unknown = JSON.stringify(value)
    if (typeof text === 'string') return text
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError(name, `${name} cannot be written as JSON.`)
}
