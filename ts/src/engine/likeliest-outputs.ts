// Of several outputs of one prompt the likeliest: what OpenAI once called `best_of`.

import { InvalidArgumentError } from '../errors.js'
import type { CompletionOutput } from './request-output.js'

/**
 * The `count` outputs with the highest cumulative logprob, best first, numbered anew.
 * @throws InvalidArgumentError if they have no logprobs.
 */
export function likeliestOutputs(outputs: readonly CompletionOutput[], count: number): readonly CompletionOutput[] {
  const scored = outputs.map(output => ({ output, score: scoreOf(output) }))
  return scored
    .toSorted((a, b) => b.score - a.score)
    .slice(0, count)
    .map(({ output }, index) => ({ ...output, index }))
}

function scoreOf({ cumulativeLogprob }: CompletionOutput): number {
  if (cumulativeLogprob !== null) return cumulativeLogprob
  throw new InvalidArgumentError('outputs', 'Outputs are ranked by logprobs: ask for them with logprobs: 0.', null)
}
