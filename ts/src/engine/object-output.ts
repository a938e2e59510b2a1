// From an output's text to the value that a schema describes.

import { ObjectError } from '../errors.js'
import type { CompletionOutput, RequestOutput } from './request-output.js'
import { type InferObject, isStandardSchema, type ObjectSchema, type StandardIssue } from './standard-schema.js'

/** A value, and the output that it was read from. */
export interface ObjectOutput<T> {
  /** The value, validated by the schema's own library where it has one. */
  readonly object: T
  /** What the request gave, the text among it. */
  readonly output: RequestOutput
}

/** @throws ObjectError if the output was cut off, or the schema's own validation refuses the value. */
export async function toObject<Schema extends ObjectSchema>(
  output: RequestOutput,
  schema: Schema,
): Promise<ObjectOutput<InferObject<Schema>>> {
  const { text, finishReason } = output.outputs[0] as CompletionOutput
  const value = parsed(text, finishReason)
  if (!isStandardSchema(schema)) return { object: value as InferObject<Schema>, output }
  const result = await schema['~standard'].validate(value)
  if (result.issues === undefined) return { object: result.value as InferObject<Schema>, output }
  const issues = result.issues.map(issue => ({ message: issue.message, path: pathOf(issue) }))
  const [first] = issues
  const where = first === undefined || first.path.length === 0 ? '' : ` at ${first.path.join('.')}`
  const message = `The schema refuses the object${where}: ${first?.message ?? 'no reason given'}`
  throw new ObjectError('ERR_OBJECT_INVALID', message, { details: { text, issues } })
}

function parsed(text: string, finishReason: CompletionOutput['finishReason']): unknown {
  try {
    if (finishReason === 'stop') return JSON.parse(text)
  } catch {
    // A stop string or token of the caller's ended it; said below.
  }
  const message = `The output ended (${finishReason}) before the object did; raise maxTokens, or ask for less.`
  throw new ObjectError('ERR_OBJECT_INCOMPLETE', message, { details: { text, finishReason } })
}

function pathOf({ path = [] }: StandardIssue): string[] {
  return path.map(part => String(typeof part === 'object' ? part.key : part))
}
