// What a step brought, as the outputs' side hears it: ids and numbers, no batch. It can cross to another thread as it is.

import type { LogprobGroups, SampledStep, StepOutput } from '../binding/index.js'
import type { InputBatch } from '../plugin/input-batch.js'

/** Logprobs of the step's tokens: `counts[i]` groups for `sequences[i]`, end to end. */
export interface TokenLogprobs {
  readonly sequences: Int32Array
  readonly counts: Int32Array
  readonly groups: LogprobGroups
}

/** Logprobs of prompt ids: a group for each, with its sequence and its index in the prompt. */
export interface PromptLogprobs {
  readonly sequences: Int32Array
  readonly positions: Int32Array
  readonly groups: LogprobGroups
}

export interface StepNews {
  /** When the step was done, in milliseconds since 1970. */
  readonly atMs: number
  /** Tokens that the step computed. */
  readonly numScheduledTokens: number
  readonly output: StepOutput
  readonly logprobs?: TokenLogprobs
  readonly promptLogprobs?: PromptLogprobs
}

/** The news of a step; `sampled` is there if the host sampled it. Its arrays are views that the next step overwrites. */
export function newsOf(
  batch: InputBatch,
  output: StepOutput,
  sampled: SampledStep | undefined,
  atMs: number,
): StepNews {
  const { logprobs, promptLogprobs } = sampled ?? {}
  return {
    atMs,
    numScheduledTokens: batch.numTokens,
    output,
    ...(sampled !== undefined &&
      logprobs !== undefined && {
        logprobs: { sequences: batch.sequenceIds, counts: sampled.counts, groups: logprobs },
      }),
    ...(promptLogprobs !== undefined && {
      promptLogprobs: {
        sequences: promptLogprobs.rows.map(row => batch.sequenceIds[row] as number),
        positions: promptLogprobs.positions,
        groups: promptLogprobs.groups,
      },
    }),
  }
}
