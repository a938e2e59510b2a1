// Of several outputs of one prompt the likeliest.

import type { CompletionOutput } from '../../engine/index.js'

/** The `count` outputs with the highest cumulative logprob, best first, numbered anew. Outputs must have logprobs. */
export function likeliestOutputs(outputs: readonly CompletionOutput[], count: number): readonly CompletionOutput[] {
  return outputs
    .toSorted((a, b) => (b.cumulativeLogprob ?? -Infinity) - (a.cumulativeLogprob ?? -Infinity))
    .slice(0, count)
    .map((output, index) => ({ ...output, index }))
}
