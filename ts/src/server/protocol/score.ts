// The body of /score and its reply. vLLM has several spellings for the two sides; all are taken.

import { z } from 'zod'
import { pairsOf, type ScoreOutput } from '../../engine/index.js'
import { RequestError } from '../request-error.js'
import type { PooledReplyHead } from './embeddings.js'
import { list } from './list-field.js'
import { optional } from './optional-field.js'
import { parseBody } from './parse-body.js'
import {
  type PooledTruncation,
  pooledFields,
  pooledUsage,
  pooledUsageSchema,
  toPooledTruncation,
} from './pooling-fields.js'

export const MOST_PAIRS = 10_000

const texts = optional(
  z.union([z.string(), list(z.string(), { min: 1, max: MOST_PAIRS })], { error: 'a string or a list of strings' }),
)

/** What the two sides may be called. */
const SIDES = [
  ['text_1', 'text_2'],
  ['queries', 'documents'],
  ['queries', 'items'],
  ['data_1', 'data_2'],
] as const

export const scoreRequestSchema = z.looseObject({
  ...pooledFields,
  text_1: texts,
  text_2: texts,
  queries: texts,
  documents: texts,
  items: texts,
  data_1: texts,
  data_2: texts,
})

export const scoreResponseSchema = z.object({
  id: z.string(),
  object: z.literal('list'),
  created: z.int(),
  model: z.string(),
  data: z.array(z.object({ index: z.int(), object: z.literal('score'), score: z.number() })),
  usage: pooledUsageSchema,
})

export interface ScoreRequest extends PooledTruncation {
  readonly model: string | undefined
  readonly id: string | undefined
  readonly pairs: readonly (readonly [string, string])[]
}

/** @throws RequestError 400 naming the field. */
export function parseScoreRequest(body: unknown): ScoreRequest {
  const fields = parseBody(scoreRequestSchema, body)
  const [left, right] =
    SIDES.find(([one, other]) => fields[one] !== undefined && fields[other] !== undefined) ?? SIDES[0]
  const [ones, others] = [fields[left], fields[right]]
  if (ones === undefined || others === undefined) {
    const missing = ones === undefined ? left : right
    throw RequestError.badRequest(`${missing} is missing: a score takes text_1 and text_2.`, missing)
  }
  const [numOnes, numOthers] = [ones, others].map(side => (typeof side === 'string' ? 1 : side.length)) as [
    number,
    number,
  ]
  if (numOnes !== 1 && numOnes !== numOthers) {
    const message = `${left} has ${numOnes} texts and ${right} has ${numOthers}: it must be one against all, or as many on both sides.`
    throw RequestError.badRequest(message, right)
  }
  return { model: fields.model, id: fields.request_id, pairs: pairsOf(ones, others), ...toPooledTruncation(fields) }
}

export function scoreBody(
  { id, created, model }: PooledReplyHead,
  outputs: readonly ScoreOutput[],
): z.output<typeof scoreResponseSchema> {
  return {
    id,
    object: 'list',
    created,
    model,
    data: outputs.map(({ score }, index) => ({ index, object: 'score', score })),
    usage: pooledUsage(outputs.reduce((sum, { numTokens }) => sum + numTokens, 0)),
  }
}
