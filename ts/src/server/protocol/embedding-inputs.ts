// `input` of embeddings: a text, a list of ids, or a list of those. One loop looks at them, and no further than the first that
// is wrong: there may be millions.

import { z } from 'zod'
import type { EmbedInput } from '../../engine/index.js'
import { firstNoId } from './list-field.js'

const WANTED = 'must be a string, a list of token ids, or a list of those'
const NO_ID = 'must be a token id, an integer from 0 on'
const id = { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 }
const ids = { type: 'array', items: id, minItems: 1 }

interface Complaint {
  readonly path: readonly number[]
  readonly input: unknown
  readonly message: string
}

/** The inputs, one at least. */
export function embeddingInputs(most: number): z.ZodType<readonly EmbedInput[], unknown> {
  return z
    .unknown()
    .transform((value, context): readonly EmbedInput[] => {
      const read = typeof value === 'string' ? [value] : listOf(value, most)
      if (Array.isArray(read)) return read as readonly EmbedInput[]
      const { path, input, message } = read as Complaint
      context.issues.push({ code: 'custom', path: [...path], input, message, params: { field: true } })
      return z.NEVER
    })
    .meta({
      anyOf: [
        { type: 'string' },
        { ...ids, description: 'One input.' },
        { type: 'array', items: { anyOf: [{ type: 'string' }, ids] }, minItems: 1, maxItems: most },
      ],
    })
}

function listOf(value: unknown, most: number): readonly EmbedInput[] | Complaint {
  const complaint = (path: readonly number[], input: unknown, message: string): Complaint => ({ path, input, message })
  if (!Array.isArray(value)) return complaint([], value, WANTED)
  if (value.length === 0) return complaint([], value, 'is empty: it must have at least one text or token id')
  if (typeof value[0] === 'number') {
    const wrong = firstNoId(value)
    if (wrong === -1) return [value as number[]]
    if (typeof value[wrong] === 'number') return complaint([wrong], value[wrong], NO_ID)
    return complaint(
      [wrong],
      value[wrong],
      'is no token id, unlike the first: a list is one of ids, or of texts and lists',
    )
  }
  if (value.length > most) {
    return complaint([], undefined, `has ${value.length} texts, more than the ${most} that one request may have`)
  }
  for (const [index, input] of value.entries()) {
    if (typeof input === 'string') continue
    if (typeof input === 'number') {
      return complaint([index], input, 'is a token id, unlike the first: a list is one of ids, or of texts and lists')
    }
    if (!Array.isArray(input)) return complaint([index], input, 'must be a string or a list of token ids')
    if (input.length === 0) return complaint([index], input, 'is empty: it must have at least one token id')
    const wrong = firstNoId(input)
    if (wrong !== -1) return complaint([index, wrong], input[wrong], NO_ID)
  }
  return value as readonly EmbedInput[]
}
