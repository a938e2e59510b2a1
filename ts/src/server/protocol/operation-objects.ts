// What the endpoints that are no generation reply, as the wire spells it: models, version, load, errors.

import { z } from 'zod'
import { wireName } from './wire-name.js'

export const errorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.union([z.int(), z.string()]).nullable(),
    }),
  })
  .describe('What is wrong, and with which field.')

export const unauthorizedSchema = z.object({ error: z.string() })

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  root: z.string(),
  parent: z.string().nullable(),
  max_model_len: z.int(),
})

export const modelListSchema = z.object({ object: z.literal('list'), data: z.array(modelSchema) })
export const versionSchema = z.object({ version: z.string() })
export const loadSchema = z.object({ server_load: z.int().nonnegative() })
export const pausedSchema = z.object({ is_paused: z.boolean() })
export const statusSchema = z.object({ status: z.string() })
export const abortedSchema = z.object({ status: z.string(), num_aborted: z.int().nonnegative() })
export const abortRequestSchema = z.object({ request_ids: z.array(z.string()).nullish() })
export const serverInfoSchema = z.looseObject({ version: z.string(), model_names: z.array(z.string()) })

export type ModelObject = z.infer<typeof modelSchema>

export interface ServedModel {
  readonly name: string
  readonly createdSeconds: number
  readonly maxModelLen: number
  /** The first name; the others are the same model by other names. */
  readonly root: string
}

export function modelObject({ name, createdSeconds, maxModelLen, root }: ServedModel): ModelObject {
  return {
    id: name,
    object: 'model',
    created: createdSeconds,
    owned_by: 'quire',
    root,
    parent: null,
    max_model_len: maxModelLen,
  }
}

export function loadObject(numRequests: number): z.infer<typeof loadSchema> {
  return { server_load: numRequests }
}

export function pausedObject(isPaused: boolean): z.infer<typeof pausedSchema> {
  return { is_paused: isPaused }
}

export function abortedObject(count: number): z.infer<typeof abortedSchema> {
  return { status: 'aborted', num_aborted: count }
}

/** Ids to abort; undefined: all. */
export function requestIdsOf(body: z.infer<typeof abortRequestSchema>): readonly string[] | undefined {
  return body.request_ids ?? undefined
}

/** Names of fields as the wire spells them, all the way down. */
export function serverInfoObject(info: object): unknown {
  return wireValue(info)
}

function wireValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(wireValue)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [wireName(name), wireValue(field)]))
}
