// The replies of the render endpoints: what the engine would get of a request, in vLLM's words.

import { z } from 'zod'
import type { SamplingParams } from '../../config/index.js'
import { wireName } from './wire-name.js'

export const renderedRequestSchema = z.object({
  request_id: z.string(),
  token_ids: z.array(z.int()),
  prompt_text: z.string().nullable(),
  token_offsets: z.array(z.array(z.int()).length(2)).nullable(),
  features: z.null(),
  sampling_params: z.record(z.string(), z.unknown()),
  model: z.string(),
  stream: z.boolean(),
  cache_salt: z.string().nullable(),
  priority: z.int(),
})

export interface RenderedRequest {
  readonly requestId: string
  readonly tokenIds: ArrayLike<number>
  readonly text: string | undefined
  /** Where each token begins and ends in the text; null: nobody asks, or it cannot be told. */
  readonly tokenOffsets: [number, number][] | null
  readonly params: SamplingParams
  /** Tokens that the reasoning may have. */
  readonly thinkingTokenBudget: number | undefined
  readonly model: string
  readonly stream: boolean
  readonly cacheSalt: string | undefined
  readonly priority: number | undefined
}

export function renderedBody(rendered: RenderedRequest): z.output<typeof renderedRequestSchema> {
  return {
    request_id: rendered.requestId,
    token_ids: Array.from(rendered.tokenIds),
    prompt_text: rendered.text ?? null,
    token_offsets: rendered.tokenOffsets,
    features: null,
    sampling_params: {
      ...samplingBody(rendered.params),
      thinking_token_budget: rendered.thinkingTokenBudget ?? null,
    },
    model: rendered.model,
    stream: rendered.stream,
    cache_salt: rendered.cacheSalt ?? null,
    priority: rendered.priority ?? 0,
  }
}

/** Every parameter by its name on the wire; what is unset is null. */
function samplingBody(params: SamplingParams): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [wireName(name), plain(value)]))
}

function plain(value: unknown): unknown {
  if (value === undefined) return null
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Map) return Object.fromEntries(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [wireName(name), plain(field)]))
}
