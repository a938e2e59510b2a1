// Lists in requests: checked element by element, and no further than the first that is wrong. zod's own arrays look at all and
// keep a complaint for each, which a body of millions of wrong elements would turn into minutes.

import { z } from 'zod'

export interface ListBounds {
  readonly min?: number
  readonly max: number
}

/** A list of what `element` takes. */
export function list<Output, Input>(
  element: z.ZodType<Output, Input>,
  { min = 0, max }: ListBounds,
): z.ZodType<Output[], unknown> {
  const { $schema: _, ...items } = z.toJSONSchema(element, { io: 'input', unrepresentable: 'any' })
  return z
    .unknown()
    .transform((value, context): Output[] => {
      const checked = checkBounds(value, context, { min, max })
      if (checked === undefined) return z.NEVER
      const read: Output[] = []
      for (const [index, one] of checked.entries()) {
        const parsed = element.safeParse(one, { reportInput: true })
        if (!parsed.success) {
          const [issue] = parsed.error.issues
          if (issue !== undefined) context.issues.push(within(index, issue))
          return z.NEVER
        }
        read.push(parsed.data)
      }
      return read
    })
    .meta({ type: 'array', items, minItems: min, maxItems: max })
}

/** An element's complaint as the list's own. */
function within(index: number, issue: z.core.$ZodIssue): z.core.$ZodRawIssue {
  return { ...issue, path: [index, ...issue.path] } as z.core.$ZodRawIssue
}

const MOST_ID = 2 ** 31 - 1

/** A list of token ids. */
export function tokenIds({ min = 0, max }: ListBounds): z.ZodType<number[], unknown> {
  return z
    .unknown()
    .transform((value, context): number[] => {
      const checked = checkBounds(value, context, { min, max })
      if (checked === undefined) return z.NEVER
      const wrong = firstNoId(checked)
      if (wrong === -1) return checked as number[]
      const message = `must be a token id, an integer from 0 on`
      context.issues.push({ code: 'custom', path: [wrong], input: checked[wrong], message, params: { field: true } })
      return z.NEVER
    })
    .meta({ type: 'array', items: { type: 'integer', minimum: 0, maximum: MOST_ID }, minItems: min, maxItems: max })
}

/** Index of the first element that is no token id; -1 if all are. */
export function firstNoId(values: readonly unknown[]): number {
  return values.findIndex(id => !Number.isInteger(id) || (id as number) < 0 || (id as number) > MOST_ID)
}

function checkBounds(
  value: unknown,
  context: z.core.ParsePayload,
  { min = 0, max }: ListBounds,
): readonly unknown[] | undefined {
  if (!Array.isArray(value)) context.issues.push({ code: 'invalid_type', expected: 'array', input: value })
  else if (value.length < min)
    context.issues.push({ code: 'too_small', origin: 'array', minimum: min, inclusive: true, input: value })
  else if (value.length > max)
    context.issues.push({ code: 'too_big', origin: 'array', maximum: max, inclusive: true, input: value })
  else return value
  return undefined
}
