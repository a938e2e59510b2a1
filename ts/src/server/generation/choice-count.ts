// How many choices a request may have, and how many of them are drawn.

import type { SamplingOptions } from '../../config/index.js'
import { RequestError } from '../request-error.js'
import type { GenerationContext } from '../server-context.js'

export interface AskedChoices {
  readonly sampling?: SamplingOptions
  /** Draw so many for each prompt and keep the `n` likeliest. */
  readonly bestOf?: number
  readonly beamSearch?: object
}

/** Choices that the reply has for each prompt. @throws RequestError if the operator allows less. */
export function numChoices({ sampling = {}, bestOf }: AskedChoices, { config }: GenerationContext): number {
  const { maxChoices } = config.endpoints
  const { n = 1 } = sampling
  for (const [param, count] of [
    ['n', n],
    ['best_of', bestOf ?? n],
  ] as const) {
    if (count > maxChoices)
      throw RequestError.badRequest(`${param} must be at most ${maxChoices}, got ${count}.`, param)
  }
  return n
}

/** What the engine draws: more than are kept need logprobs to be ranked by, and beams are one draw each. */
export function drawnChoices({ sampling = {}, bestOf, beamSearch }: AskedChoices): SamplingOptions {
  const { n = 1, logprobs, logprobTokenIds } = sampling
  if (beamSearch !== undefined) return { n: 1 }
  if (bestOf === undefined || bestOf <= n) return { n }
  return { n: bestOf, ...(logprobTokenIds === undefined && { logprobs: logprobs ?? 0 }) }
}
