// What the endpoints of kept responses take and reply: pages of input items, and that one is gone.

import { z } from 'zod'
import { RequestError } from '../request-error.js'
import type { InputItem } from './responses-input-items.js'

export const inputItemsSchema = z.object({
  object: z.literal('list'),
  data: z.array(z.looseObject({ id: z.string(), type: z.string() })),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
})

export const deletedResponseSchema = z.object({
  id: z.string(),
  object: z.literal('response'),
  deleted: z.literal(true),
})

/** Query parameters of the listing. */
export const inputItemsQuery = { order: ['asc', 'desc'], limit: [], after: [] } as const

/** Query parameters of a fetch. */
export const fetchQuery = { stream: ['true', 'false'], starting_after: [] } as const

const DEFAULT_LIMIT = 20
const MOST_ITEMS = 100

/** One page of items, the newest first unless it is asked otherwise. @throws RequestError 400. */
export function inputItemsBody(items: readonly InputItem[], query: URLSearchParams): z.output<typeof inputItemsSchema> {
  const order = query.get('order') ?? 'desc'
  if (order !== 'asc' && order !== 'desc') {
    throw RequestError.badRequest(`order must be one of "asc", "desc", got ${JSON.stringify(order)}.`, 'order')
  }
  const limit = countOf(query, 'limit', 1, MOST_ITEMS) ?? DEFAULT_LIMIT
  const ordered = order === 'asc' ? items : items.toReversed()
  const start = startOf(ordered, query.get('after'))
  const data = ordered.slice(start, start + limit)
  return {
    object: 'list',
    data: data.map(item => ({ ...item })),
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + limit < ordered.length,
  }
}

/** How a kept response is fetched: as events from behind that number on, or whole. @throws RequestError 400. */
export function fetchOptions(query: URLSearchParams): { readonly stream: boolean; readonly startingAfter: number } {
  const stream = query.get('stream') ?? 'false'
  if (stream !== 'true' && stream !== 'false') {
    throw RequestError.badRequest(`stream must be one of "true", "false", got ${JSON.stringify(stream)}.`, 'stream')
  }
  return {
    stream: stream === 'true',
    startingAfter: countOf(query, 'starting_after', 0, Number.MAX_SAFE_INTEGER) ?? -1,
  }
}

export function deletedBody(id: string): z.output<typeof deletedResponseSchema> {
  return { id, object: 'response', deleted: true }
}

function startOf(items: readonly InputItem[], after: string | null): number {
  if (after === null) return 0
  const index = items.findIndex(({ id }) => id === after)
  if (index >= 0) return index + 1
  throw RequestError.badRequest(`after is ${JSON.stringify(after.slice(0, 256))}, which is none of the items.`, 'after')
}

function countOf(query: URLSearchParams, name: string, least: number, most: number): number | undefined {
  const given = query.get(name)
  if (given === null) return undefined
  const count = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN
  if (count >= least && count <= most) return count
  throw RequestError.badRequest(`${name} must be an integer from ${least} to ${most}.`, name)
}
