// Schemas of other libraries, by the interface that they share (https://standardschema.dev), declared here so that none of
// them is needed; and plain JSON schemas. What a schema describes becomes a JSON schema, and its own validation has the last
// word.

import { InvalidArgumentError } from '../errors.js'

/** What zod, Valibot, ArkType and others implement. */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** The interface itself, as https://standardschema.dev describes it. */
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
    /** The newer part of the interface, which not all of them have. */
    readonly jsonSchema?: { readonly input: (options: { readonly target: string }) => object } | undefined
  }
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** A JSON schema as a plain object. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** What `generateObject` takes. */
export type ObjectSchema = StandardSchema | JsonSchema

/** What a schema's validation gives; unknown for a plain JSON schema. */
export type InferObject<Schema> = Schema extends { readonly '~standard': { readonly types?: infer Types } }
  ? NonNullable<Types> extends { readonly output: infer Output }
    ? Output
    : unknown
  : unknown

const TARGET = 'draft-2020-12'

export function isStandardSchema(schema: unknown): schema is StandardSchema {
  const standard = (schema as Partial<StandardSchema> | null | undefined)?.['~standard']
  return typeof standard?.validate === 'function'
}

/** The JSON schema of what a schema accepts. @throws InvalidArgumentError if it cannot be had. */
export async function toJsonSchema(schema: ObjectSchema): Promise<object> {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) {
    throw new InvalidArgumentError('schema', 'schema must be a Standard Schema or a JSON schema.', schema)
  }
  if (!isStandardSchema(schema)) return schema
  const { vendor, jsonSchema } = schema['~standard']
  try {
    if (jsonSchema !== undefined) return jsonSchema.input({ target: TARGET })
    if (vendor === 'zod') {
      const { toJSONSchema } = await import('./zod-json-schema.js')
      return toJSONSchema(schema as unknown as Parameters<typeof toJSONSchema>[0], { io: 'input', target: TARGET })
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidArgumentError('schema', `The schema of ${vendor} has no JSON schema: ${reason}`)
  }
  // ArkType's own way.
  const own = (schema as { toJsonSchema?: unknown }).toJsonSchema
  if (typeof own === 'function') return own.call(schema) as object
  throw new InvalidArgumentError(
    'schema',
    `The schema of ${vendor} does not say its JSON schema. Convert it, pass the JSON schema, and validate the object yourself.`,
  )
}
