// The input of /v1/responses: its items as clients write them, checked, and in the one form in which they are kept.

import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { list } from './list-field.js'
import { object } from './object-field.js'
import { optional } from './optional-field.js'

const TEXT_PARTS = ['input_text', 'output_text', 'text', 'summary_text', 'reasoning_text', 'refusal']

const textPart = z.looseObject({ type: z.string(), text: optional(z.string()), refusal: optional(z.string()) })

type TextPart = z.output<typeof textPart>

/** A part that is text; what else there may be is named, since this model cannot read it. */
const part: z.ZodType<TextPart, unknown> = object(textPart)
  .transform((given, context) => {
    if (TEXT_PARTS.includes(given.type)) return given
    context.issues.push({
      code: 'custom',
      input: given.type,
      path: ['type'],
      message: `is ${given.type}, but this model reads text only`,
      params: { field: true },
    })
    return z.NEVER
  })
  .meta(jsonOf(textPart))

const content = z.union([z.string(), list(part, { max: 65_536 })], { error: 'a string or a list of parts' })

const status = optional(z.enum(['in_progress', 'completed', 'incomplete']))
const id = optional(z.string().min(1).max(256))

const schemas = {
  message: z.looseObject({
    type: optional(z.literal('message')),
    id,
    role: z.enum(['user', 'assistant', 'system', 'developer']),
    content,
    status,
  }),
  function_call: z.looseObject({
    type: z.literal('function_call'),
    id,
    call_id: z.string().min(1),
    name: z.string().min(1),
    arguments: z.string(),
    status,
  }),
  function_call_output: z.looseObject({
    type: z.literal('function_call_output'),
    id,
    call_id: z.string().min(1),
    output: content,
    status,
  }),
  reasoning: z.looseObject({
    type: z.literal('reasoning'),
    id,
    summary: optional(list(part, { max: 4096 })),
    content: optional(list(part, { max: 4096 })),
    encrypted_content: optional(z.string()),
    status,
  }),
  item_reference: z.looseObject({ type: optional(z.literal('item_reference')), id: z.string().min(1).max(256) }),
}

type Schemas = typeof schemas
type Kind = keyof Schemas

type Given = { [K in Kind]: z.output<Schemas[K]> & { readonly type: K } }[Kind]

/** An item by its type; a message and a reference may be without one. */
const item: z.ZodType<Given, unknown> = z
  .unknown()
  .transform((value, context): Given => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      context.issues.push({ code: 'invalid_type', expected: 'object', input: value })
      return z.NEVER
    }
    const type = (value as { type?: unknown }).type ?? ('role' in value ? 'message' : 'item_reference')
    if (typeof type !== 'string' || !Object.hasOwn(schemas, type)) {
      const message = `is ${JSON.stringify(type)}; this server knows ${Object.keys(schemas).join(', ')}`
      context.issues.push({ code: 'custom', input: type, path: ['type'], message, params: { field: true } })
      return z.NEVER
    }
    const parsed = object(schemas[type as Kind]).safeParse(value, { reportInput: true })
    if (parsed.success) return { ...parsed.data, type } as Given
    context.issues.push(parsed.error.issues[0] as z.core.$ZodRawIssue)
    return z.NEVER
  })
  .meta({ anyOf: Object.values(schemas).map(jsonOf) })

/** A text is a message of the user. */
export const inputSchema = z.union([z.string(), list(item, { max: 65_536 })], {
  error: 'a string or a list of items',
})

export interface ItemPart {
  readonly type: string
  readonly text: string
}

/** An item in the form in which it is kept and listed: with an id, contents as parts. */
export type InputItem =
  | {
      readonly type: 'message'
      readonly id: string
      readonly role: 'user' | 'assistant' | 'system' | 'developer'
      readonly content: readonly ItemPart[]
    }
  | {
      readonly type: 'function_call'
      readonly id: string
      readonly call_id: string
      readonly name: string
      readonly arguments: string
    }
  | {
      readonly type: 'function_call_output'
      readonly id: string
      readonly call_id: string
      readonly output: string | readonly ItemPart[]
    }
  | {
      readonly type: 'reasoning'
      readonly id: string
      readonly summary: readonly ItemPart[]
      readonly content: readonly ItemPart[]
    }

/** What stands for an item that is kept. */
export interface ItemReference {
  readonly type: 'item_reference'
  readonly id: string
}

const PREFIXES = { message: 'msg', function_call: 'fc', function_call_output: 'fco', reasoning: 'rs' } as const

export function newItemId(type: keyof typeof PREFIXES): string {
  return `${PREFIXES[type]}_${randomBytes(16).toString('hex')}`
}

export function toInputItems(input: z.output<typeof inputSchema>): readonly (InputItem | ItemReference)[] {
  if (typeof input !== 'string') return input.map(toInputItem)
  return [toInputItem({ type: 'message', id: undefined, status: undefined, role: 'user', content: input })]
}

function toInputItem(given: Given): InputItem | ItemReference {
  const { type } = given
  if (type === 'item_reference') return { type, id: given.id }
  const known = { id: given.id ?? newItemId(type), status: given.status ?? 'completed' }
  switch (type) {
    case 'message': {
      const kind = given.role === 'assistant' ? 'output_text' : 'input_text'
      return { type, ...known, role: given.role, content: partsOf(given.content, kind) }
    }
    case 'function_call':
      return { type, ...known, call_id: given.call_id, name: given.name, arguments: given.arguments }
    case 'function_call_output': {
      const { call_id, output } = given
      return { type, ...known, call_id, output: typeof output === 'string' ? output : partsOf(output, 'input_text') }
    }
    case 'reasoning': {
      const { summary = [], content: thoughts = [] } = given
      return {
        type,
        ...known,
        summary: partsOf(summary, 'summary_text'),
        content: partsOf(thoughts, 'reasoning_text'),
      }
    }
  }
}

function partsOf(given: string | readonly TextPart[], plain: string): readonly ItemPart[] {
  const parts: readonly TextPart[] =
    typeof given === 'string' ? [{ type: plain, text: given, refusal: undefined }] : given
  return parts.map(one => {
    const type = one.type === 'text' ? plain : one.type
    const text = one.text ?? one.refusal ?? ''
    if (type === 'refusal') return { type, text, refusal: text }
    return type === 'output_text' ? { type, text, annotations: [] } : { type, text }
  })
}

function jsonOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return json as Record<string, unknown>
}
