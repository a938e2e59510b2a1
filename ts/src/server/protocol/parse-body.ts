// A body checked against its schema: the first thing that is wrong becomes one error that names the field as the wire does.

import type { z } from 'zod'
import { RequestError } from '../request-error.js'
import { readFields } from './object-field.js'

type Issue = z.core.$ZodIssue

/**
 * The fields that the schema knows; others are left out.
 * @throws RequestError 400 naming the first field that is wrong.
 */
export function parseBody<Schema extends z.ZodObject>(schema: Schema, body: unknown): z.output<Schema> {
  if (typeof body !== 'object' || body === null) throw RequestError.badRequest('The body must be a JSON object.')
  const read = readFields(schema, body as Readonly<Record<string, unknown>>)
  if (read.issue !== undefined) throw toError(read.issue, read.name)
  return read.fields as z.output<Schema>
}

function toError(first: Issue, name: string): RequestError {
  const issue = deepest({ ...first, path: [name, ...first.path] })
  const param = pathOf(issue.path)
  return RequestError.badRequest(describe(issue, param), param)
}

/**
 * Of a union whose alternatives all fail, the complaint that came furthest, or that is about the size of what was given: the
 * caller meant that alternative.
 */
function deepest(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue
  const inner = issue.errors.flatMap(alternative => alternative.slice(0, 1)).map(deepest)
  const isOfSize = ({ code }: Issue) => code === 'too_small' || code === 'too_big' || code === 'custom'
  const [best] = inner.toSorted((a, b) => b.path.length - a.path.length || Number(isOfSize(b)) - Number(isOfSize(a)))
  if (best === undefined || (best.path.length === 0 && !isOfSize(best))) return issue
  return { ...best, path: [...issue.path, ...best.path] } as Issue
}

function describe(issue: Issue, path: string): string {
  const name = path === '' ? 'The body' : path
  switch (issue.code) {
    case 'invalid_type': {
      if (issue.input === undefined) return `${name} is missing.`
      const expected = issue.expected === 'int' ? 'integer' : issue.expected
      return withValue(`${name} must be ${article(expected)}, got ${kindOf(issue.input)}.`, path, issue.input)
    }
    case 'too_small':
    case 'too_big':
      return withValue(`${name} must ${bound(issue)}.`, path, issue.input)
    case 'invalid_value':
      return withValue(`${name} must be one of ${issue.values.map(shown).join(', ')}.`, path, issue.input)
    // Unions say what they want.
    case 'invalid_union':
      return withValue(`${name} must be ${issue.message}, got ${kindOf(issue.input)}.`, path, issue.input)
    case 'custom':
      // A message that goes on after the field's name, or a whole sentence.
      return issue.params?.field === true ? withValue(`${name} ${issue.message}.`, path, issue.input) : issue.message
    default:
      return withValue(`${name}: ${issue.message}`, path, issue.input)
  }
}

function bound(issue: Extract<Issue, { code: 'too_small' | 'too_big' }>): string {
  const small = issue.code === 'too_small'
  const limit = String(small ? issue.minimum : issue.maximum)
  switch (issue.origin) {
    case 'string':
      return `have at ${small ? 'least' : 'most'} ${limit} characters`
    case 'array':
    case 'object':
    case 'record':
      return `have at ${small ? 'least' : 'most'} ${limit} entries`
    default:
      if (issue.inclusive === false) return `be ${small ? 'greater' : 'less'} than ${limit}, got ${shown(issue.input)}`
      return `be at ${small ? 'least' : 'most'} ${limit}, got ${shown(issue.input)}`
  }
}

function withValue(message: string, path: string, value: unknown): string {
  return path === '' || value === undefined ? message : `${message} (parameter=${path}, value=${shown(value)})`
}

/** `messages[0].content`. */
function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, '')
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  return article(Array.isArray(value) ? 'list' : typeof value)
}

function article(noun: string): string {
  const word = noun === 'array' ? 'list' : noun
  return `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`
}

const MOST_SHOWN_CHARACTERS = 100

function shown(value: unknown): string {
  if (typeof value === 'number') return String(value)
  const text = JSON.stringify(beginningOf(value, { parts: MOST_SHOWN_CHARACTERS })) ?? String(value)
  return text.length > MOST_SHOWN_CHARACTERS ? `${text.slice(0, MOST_SHOWN_CHARACTERS)}...` : text
}

/** As much of a value as is shown: it may be megabytes. */
function beginningOf(value: unknown, left: { parts: number }): unknown {
  left.parts -= 1
  if (typeof value === 'string') return value.slice(0, MOST_SHOWN_CHARACTERS)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const first = value.slice(0, Math.max(0, left.parts))
    return first.map(one => (left.parts > 0 ? beginningOf(one, left) : 0))
  }
  const fields: [string, unknown][] = []
  for (const [name, field] of Object.entries(value)) {
    if (left.parts <= 0) break
    fields.push([name.slice(0, MOST_SHOWN_CHARACTERS), beginningOf(field, left)])
  }
  return Object.fromEntries(fields)
}
