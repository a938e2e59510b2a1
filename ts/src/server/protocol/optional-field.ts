// Fields that a request may leave out: clients write that as a missing field or as null, and both mean the default.

import { z } from 'zod'

/** A field that may be missing or null: undefined then. */
export function optional<Output, Input>(schema: z.ZodType<Output, Input>) {
  return schema.nullish().transform(value => value ?? undefined)
}

/** A field with a default. */
export function defaulted<Output, Input>(schema: z.ZodType<Output, Input>, fallback: Output) {
  return schema.nullish().transform(value => value ?? fallback)
}

/** A field that is taken and means nothing here. */
export function ignored() {
  return z.unknown().optional()
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without the fields that are undefined. */
export function defined<T extends object>(fields: T): Defined<T> {
  const kept: Defined<T> = {}
  for (const name of Object.keys(fields) as (keyof T)[]) {
    const value = fields[name]
    if (value !== undefined) kept[name] = value as Exclude<T[typeof name], undefined>
  }
  return kept
}
