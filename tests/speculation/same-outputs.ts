// What engines with and without guesses are asked, and how their answers are compared.

import type { ExecutionContext } from 'ava'
import {
  type CreateOptions,
  type Engine,
  type RequestOutput,
  type SamplingOptions,
  SamplingParams,
} from '../../ts/src/index.js'

export const base: CreateOptions = { numBlocks: 400, seed: 3 }
const prompts = [
  'Once upon a time there was a little dog. The little dog was happy. The little dog',
  'Tom and Sue. Tom and Sue. Tom and Sue.',
  'One day',
  'The cat sat. The cat ran. The cat',
]
const asked: readonly SamplingOptions[] = [
  { temperature: 0, maxTokens: 60, ignoreEos: true },
  { temperature: 0.8, seed: 11, maxTokens: 60, logprobs: 3, ignoreEos: true },
  { temperature: 1, topP: 0.9, minP: 0.02, seed: 5, n: 3, maxTokens: 40 },
  { temperature: 0, repetitionPenalty: 1.3, presencePenalty: 0.4, maxTokens: 50, ignoreEos: true },
  { temperature: 0, stop: ['dog'], maxTokens: 60 },
  { temperature: 0.7, seed: 2, logitBias: { 5: 2 }, minTokens: 20, maxTokens: 30 },
  { temperature: 0, promptLogprobs: 1, maxTokens: 30 },
]

/** Every prompt with every way to be asked, all at once, without what differs by the moment. */
export async function outputsOf(engine: Engine): Promise<Omit<RequestOutput, 'metrics'>[]> {
  const ids = await engine.encode(prompts, true)
  const streams = asked.flatMap((sampling, at) =>
    ids.map((promptTokenIds, prompt) =>
      engine.add({ requestId: `${at}-${prompt}`, promptTokenIds, params: new SamplingParams(sampling) }),
    ),
  )
  const outputs = await Promise.all(streams.map(stream => stream.final()))
  return outputs.map(({ metrics: _, ...output }) => output)
}

/** Logprobs are sums of products of another shape of batch: equal to rounding. */
export function checkEqual(t: ExecutionContext, given: unknown, expected: unknown, place: string): void {
  if (typeof expected === 'number' && !Number.isInteger(expected)) {
    t.true(Math.abs((given as number) - expected) < 1e-4, `${place}: ${given} for ${expected}`)
  } else if (typeof expected === 'object' && expected !== null) {
    t.deepEqual(Object.keys(given as object), Object.keys(expected), place)
    for (const [key, value] of Object.entries(expected)) {
      checkEqual(t, (given as Record<string, unknown>)[key], value, `${place}.${key}`)
    }
  } else t.is(given, expected, place)
}
