// Objects in requests. zod runs through all the fields that an object could have; requests have few of many, so that only those
// that are there are looked at, and no further than the first that is wrong.

import { z } from 'zod'

type Shape = Readonly<Record<string, z.ZodType>>

export type FieldsRead =
  | { readonly fields: Record<string, unknown>; readonly issue?: undefined }
  | { readonly fields?: undefined; readonly issue: z.core.$ZodIssue; readonly name: string }

/** A schema's fields, looked at once. */
interface Reading {
  readonly fields: readonly (readonly [name: string, field: z.ZodType])[]
  /** What fields give when they are missing; nothing for those that must not be. */
  readonly absent: Readonly<Record<string, unknown>>
}

const readings = new WeakMap<z.ZodObject, Reading>()

/** The known fields, with the defaults of those that are missing or null. */
export function readFields(schema: z.ZodObject, given: Readonly<Record<string, unknown>>): FieldsRead {
  const { fields: known, absent } = readingOf(schema)
  const fields: Record<string, unknown> = { ...absent }
  for (const [name, field] of known) {
    const value = given[name]
    if ((value === undefined || value === null) && name in absent) continue
    const parsed = field.safeParse(value, { reportInput: true })
    if (!parsed.success) return { issue: parsed.error.issues[0] as z.core.$ZodIssue, name }
    fields[name] = parsed.data
  }
  return { fields }
}

function readingOf(schema: z.ZodObject): Reading {
  let reading = readings.get(schema)
  if (reading === undefined) {
    const fields = Object.entries(schema.shape as Shape)
    const absent = fields.flatMap(([name, field]) => {
      const parsed = field.safeParse(undefined)
      return parsed.success ? [[name, parsed.data]] : []
    })
    reading = { fields, absent: Object.fromEntries(absent) }
    readings.set(schema, reading)
  }
  return reading
}

/** An object of `schema`, which keeps the fields that nobody knows. */
export function object<Schema extends z.ZodObject>(schema: Schema): z.ZodType<z.output<Schema>, unknown> {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return z
    .unknown()
    .transform((value, context): z.output<Schema> => {
      if (!isObject(value)) {
        context.issues.push({ code: 'invalid_type', expected: 'object', input: value })
        return z.NEVER
      }
      const { fields, ...failure } = readFields(schema, value)
      if (fields !== undefined) return { ...value, ...fields } as z.output<Schema>
      const { issue, name } = failure as Extract<FieldsRead, { name: string }>
      context.issues.push({ ...issue, path: [name, ...issue.path] } as z.core.$ZodRawIssue)
      return z.NEVER
    })
    .meta(json as Record<string, unknown>)
}

/** An object of anything. */
export function anyObject(): z.ZodType<Record<string, unknown>, unknown> {
  return z
    .unknown()
    .transform((value, context): Record<string, unknown> => {
      if (isObject(value)) return value
      context.issues.push({ code: 'invalid_type', expected: 'object', input: value })
      return z.NEVER
    })
    .meta({ type: 'object', additionalProperties: {} })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
