// What an answer must look like, as requests ask for it: OpenAI's `response_format` and vLLM's `structured_outputs`.

import { z } from 'zod'
import type { StructuredOutputs } from '../../config/index.js'
import { RequestError } from '../request-error.js'
import { list } from './list-field.js'
import { anyObject, object } from './object-field.js'
import { defined, optional } from './optional-field.js'

const jsonSchemaFormat = object(
  z.looseObject({
    name: optional(z.string()),
    description: optional(z.string()),
    schema: optional(z.union([anyObject(), z.boolean()], { error: 'a JSON schema' })),
    strict: optional(z.boolean()),
  }),
)

const responseFormat = object(
  z.looseObject({
    type: z.enum(['text', 'json_object', 'json_schema', 'structural_tag']),
    json_schema: optional(jsonSchemaFormat),
  }),
)

const constraints = object(
  z.looseObject({
    json: optional(z.union([anyObject(), z.string(), z.boolean()], { error: 'a JSON schema' })),
    regex: optional(z.string()),
    choice: optional(list(z.string(), { max: 65_536 })),
    grammar: optional(z.string()),
    json_object: optional(z.boolean()),
    structural_tag: optional(z.union([z.string(), anyObject()], { error: 'a structural tag' })),
    disable_any_whitespace: optional(z.boolean()),
    disable_additional_properties: optional(z.boolean()),
    whitespace_pattern: optional(z.string()),
  }),
)

export const structuredOutputFields = {
  response_format: optional(responseFormat),
  structured_outputs: optional(constraints),
}

interface Fields {
  readonly response_format?: z.output<typeof responseFormat> | undefined
  readonly structured_outputs?: z.output<typeof constraints> | undefined
}

/** The one constraint that a request has; undefined for free text. @throws RequestError if there are several. */
export function toStructuredOutputs(fields: Fields): StructuredOutputs | undefined {
  const format = ofResponseFormat(fields.response_format)
  const own = ofConstraints(fields.structured_outputs)
  if (format !== undefined && own !== undefined) {
    const message = 'response_format and structured_outputs are both set, but only one constraint can hold an output.'
    throw RequestError.badRequest(message, 'structured_outputs')
  }
  return format ?? own
}

function ofResponseFormat(format: Fields['response_format']): StructuredOutputs | undefined {
  switch (format?.type) {
    case 'json_object':
      return { jsonObject: true }
    case 'json_schema': {
      if (format.json_schema === undefined) {
        const message = 'response_format.json_schema must be given when response_format.type is "json_schema".'
        throw RequestError.badRequest(message, 'response_format')
      }
      const { schema } = format.json_schema
      return schema === undefined ? { jsonObject: true } : { json: schema }
    }
    case 'structural_tag':
      return { structuralTag: format }
    default:
      return undefined
  }
}

function ofConstraints(given: Fields['structured_outputs']): StructuredOutputs | undefined {
  if (given === undefined) return undefined
  const kinds = defined({
    json: given.json,
    regex: given.regex,
    choice: given.choice,
    grammar: given.grammar,
    jsonObject: given.json_object,
    structuralTag: given.structural_tag,
  })
  const names = Object.keys(kinds)
  if (names.length !== 1) {
    const message = `structured_outputs must have exactly one of json, regex, choice, grammar, json_object and structural_tag, got ${names.length}.`
    throw RequestError.badRequest(message, 'structured_outputs')
  }
  if (kinds.jsonObject === false) {
    throw RequestError.badRequest('structured_outputs.json_object must be true.', 'structured_outputs.json_object')
  }
  return {
    ...kinds,
    ...defined({
      disableAnyWhitespace: given.disable_any_whitespace,
      disableAdditionalProperties: given.disable_additional_properties,
      whitespacePattern: given.whitespace_pattern,
    }),
  } as StructuredOutputs
}

/** The field of a body that a grammar is made of: a constraint that it names, else its tools; undefined: there is none. */
export function constraintField(body: Readonly<Record<string, unknown>>): string | undefined {
  const { text, output_config: output } = body
  if (body.structured_outputs != null) return 'structured_outputs'
  if (body.response_format != null) return 'response_format'
  if (body.output_format != null) return 'output_format'
  if (typeof text === 'object' && text !== null && 'format' in text) return 'text.format'
  if (typeof output === 'object' && output !== null && 'format' in output) return 'output_config.format'
  return body.tools == null ? undefined : 'tools'
}
