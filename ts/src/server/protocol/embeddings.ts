// The body of /v1/embeddings, and its reply.

import { z } from 'zod'
import type { EmbeddingOutput, EmbedInput } from '../../engine/index.js'
import { embeddingInputs } from './embedding-inputs.js'
import { defaulted, optional } from './optional-field.js'
import { parseBody } from './parse-body.js'
import {
  type PooledTruncation,
  pooledFields,
  pooledUsage,
  pooledUsageSchema,
  toPooledTruncation,
} from './pooling-fields.js'

/** As many as OpenAI takes. */
const MOST_INPUTS = 2048

export const embeddingRequestSchema = z.looseObject({
  ...pooledFields,
  input: embeddingInputs(MOST_INPUTS),
  encoding_format: defaulted(z.enum(['float', 'base64']), 'float'),
  dimensions: optional(
    z
      .int()
      .min(1)
      .max(2 ** 31 - 1),
  ),
  normalize: optional(z.boolean()),
})

export const embeddingResponseSchema = z.object({
  id: z.string(),
  object: z.literal('list'),
  created: z.int(),
  model: z.string(),
  data: z.array(
    z.object({
      object: z.literal('embedding'),
      index: z.int(),
      embedding: z
        .union([z.array(z.number()), z.string()])
        .describe('Numbers, or with `encoding_format` base64 those of a little-endian float32 array.'),
    }),
  ),
  usage: pooledUsageSchema,
})

export interface EmbeddingRequest extends PooledTruncation {
  readonly model: string | undefined
  readonly id: string | undefined
  readonly inputs: readonly EmbedInput[]
  readonly encodingFormat: 'float' | 'base64'
  readonly dimensions?: number
  readonly normalize?: boolean
}

/** @throws RequestError 400 naming the field. */
export function parseEmbeddingRequest(body: unknown): EmbeddingRequest {
  const fields = parseBody(embeddingRequestSchema, body)
  const { input: inputs, dimensions, normalize } = fields
  return {
    model: fields.model,
    id: fields.request_id,
    inputs,
    encodingFormat: fields.encoding_format,
    ...toPooledTruncation(fields),
    ...(dimensions !== undefined && { dimensions }),
    ...(normalize !== undefined && { normalize }),
  }
}

export interface PooledReplyHead {
  readonly id: string
  readonly created: number
  readonly model: string
}

export function embeddingBody(
  { id, created, model }: PooledReplyHead,
  outputs: readonly EmbeddingOutput[],
  format: 'float' | 'base64',
): z.output<typeof embeddingResponseSchema> {
  const encode = format === 'base64' ? toBase64 : (vector: Float32Array) => Array.from(vector)
  return {
    id,
    object: 'list',
    created,
    model,
    data: outputs.map(({ embedding }, index) => ({ object: 'embedding', index, embedding: encode(embedding) })),
    usage: pooledUsage(outputs.reduce((sum, { promptTokenIds }) => sum + promptTokenIds.length, 0)),
  }
}

function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(4 * vector.length)
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, 4 * index)
  return bytes.toString('base64')
}
