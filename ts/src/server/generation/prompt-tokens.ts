// From a prompt to the ids that the model gets: cut where the request asks for it, and measured against the model's length.

import { RequestError } from '../request-error.js'
import type { GenerationContext } from '../server-context.js'

/** Which part of a prompt that is too long is kept. */
export interface Truncation {
  /** Most ids of the prompt; -1 = as many as leave room for the output. */
  readonly tokens: number
  /** 'left' drops the beginning. Default: 'left'. */
  readonly side?: 'left' | 'right'
}

/** The ids that are kept; the same array if they all are. */
export function truncated(
  ids: Int32Array,
  { tokens, side = 'left' }: Truncation,
  room: { readonly maxModelLen: number; readonly outputTokens: number },
): Int32Array {
  const most = tokens === -1 ? Math.max(0, room.maxModelLen - Math.max(1, room.outputTokens)) : tokens
  if (ids.length <= most) return ids
  return side === 'left' ? ids.subarray(ids.length - most) : ids.subarray(0, most)
}

export interface OutputLength {
  /** What the caller asked for; undefined: as much as fits. */
  readonly asked: number | undefined
  /** An error if it does not fit; else it is cut. */
  readonly strict: boolean
  /** The field that asks for it. */
  readonly param: string
  /** The field that has the prompt. */
  readonly promptParam: string
}

/** Tokens that the output may have: what is asked, at most what fits, at most what the operator allows. @throws RequestError. */
export function outputTokens(
  numPromptTokens: number,
  { asked, strict, param, promptParam }: OutputLength,
  { engine, config }: GenerationContext,
): number {
  const { maxModelLen } = engine
  const room = maxModelLen - numPromptTokens
  if (room < 1 || (strict && asked !== undefined && asked > room)) {
    const requested = Math.max(1, asked ?? 1)
    throw RequestError.contextLengthExceeded(
      `This model's maximum context length is ${maxModelLen} tokens. However, you requested ${requested} output tokens and your prompt contains ${numPromptTokens} input tokens, for a total of ${numPromptTokens + requested} tokens. Please reduce the length of the input prompt or the number of requested output tokens.`,
      room < 1 ? promptParam : param,
    )
  }
  return Math.min(room, asked ?? room, config.endpoints.maxTokensCap ?? room)
}

/** How long an output is where nobody says so: the model's wish, if its generation_config.json has one. */
export function wishedTokens({ engine }: GenerationContext): number | undefined {
  const { maxNewTokens } = engine.modelInfo.generationDefaults
  if (maxNewTokens === undefined) return undefined
  const wished = Math.min(maxNewTokens, engine.maxModelLen)
  // Without generation_config.json's wishes the defaults are those of the class.
  return engine.defaultSamplingParams.maxTokens === wished ? wished : undefined
}
