// The body of /rerank and its reply, in the shape that Jina and Cohere have.

import { z } from 'zod'
import type { ScoreOutput } from '../../engine/index.js'
import { RequestError } from '../request-error.js'
import type { PooledReplyHead } from './embeddings.js'
import { list } from './list-field.js'
import { defaulted, ignored } from './optional-field.js'
import { parseBody } from './parse-body.js'
import {
  type PooledTruncation,
  pooledFields,
  pooledUsage,
  pooledUsageSchema,
  toPooledTruncation,
} from './pooling-fields.js'
import { MOST_PAIRS } from './score.js'

const document = z.union([z.string(), z.looseObject({ text: z.string() })], {
  error: 'a string or an object with `text`',
})

export const rerankRequestSchema = z.looseObject({
  ...pooledFields,
  query: z.union([z.string(), z.looseObject({ text: z.string() })], { error: 'a string or an object with `text`' }),
  documents: list(document, { min: 1, max: MOST_PAIRS }),
  top_n: defaulted(
    z
      .int()
      .min(0)
      .max(2 ** 31 - 1),
    0,
  ),
  return_documents: defaulted(z.boolean(), true),
  max_tokens_per_doc: ignored(),
})

export const rerankResponseSchema = z.object({
  id: z.string(),
  model: z.string(),
  results: z.array(
    z.object({
      index: z.int().describe('Of the document in the request.'),
      relevance_score: z.number(),
      document: z.object({ text: z.string() }).optional(),
    }),
  ),
  usage: pooledUsageSchema,
})

export interface RerankRequest extends PooledTruncation {
  readonly model: string | undefined
  readonly id: string | undefined
  readonly query: string
  readonly documents: readonly string[]
  /** Best ones that are told; 0 = all. */
  readonly topN: number
  readonly returnDocuments: boolean
}

/** @throws RequestError 400 naming the field. */
export function parseRerankRequest(body: unknown): RerankRequest {
  const fields = parseBody(rerankRequestSchema, body)
  const textOf = (value: string | { text: string }) => (typeof value === 'string' ? value : value.text)
  const query = textOf(fields.query)
  if (query === '') throw RequestError.badRequest('query is empty.', 'query')
  return {
    model: fields.model,
    id: fields.request_id,
    query,
    documents: fields.documents.map(textOf),
    topN: fields.top_n,
    returnDocuments: fields.return_documents,
    ...toPooledTruncation(fields),
  }
}

/** Best first; documents of one score in the order of the request. */
export function rerankBody(
  { id, model }: PooledReplyHead,
  { documents, topN, returnDocuments }: RerankRequest,
  outputs: readonly ScoreOutput[],
): z.output<typeof rerankResponseSchema> {
  const ranked = outputs
    .map(({ score }, index) => ({
      index,
      relevance_score: score,
      ...(returnDocuments && { document: { text: documents[index] as string } }),
    }))
    .toSorted((one, other) => other.relevance_score - one.relevance_score)
  return {
    id,
    model,
    results: topN === 0 ? ranked : ranked.slice(0, topN),
    usage: pooledUsage(outputs.reduce((sum, { numTokens }) => sum + numTokens, 0)),
  }
}
