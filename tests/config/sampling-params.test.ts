// Sampling parameters: defaults, normal forms, and an error that names field and value for everything that cannot be.

import { inspect } from 'node:util'
import test from 'ava'
import { InvalidArgumentError, type SamplingOptions, SamplingParams } from 'quire-llm'

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic

const refused: readonly [SamplingOptions, string, RegExp][] = [
  [{ n: 0 }, 'n', /at least 1, got 0/],
  [{ n: 1.5 }, 'n', /integer/],
  [{ n: 20_000 }, 'n', /at most 16384/],
  [{ n: 2, temperature: 0 }, 'n', /must be 1 when using greedy sampling, got 2/],
  [{ temperature: -0.1 }, 'temperature', /\[0, 2\]/],
  [{ temperature: 2.1 }, 'temperature', /\[0, 2\]/],
  [{ temperature: Number.NaN }, 'temperature', /finite/],
  [{ temperature: Number.POSITIVE_INFINITY }, 'temperature', /finite/],
  [{ topP: 0 }, 'topP', /\(0, 1\], got 0/],
  [{ topP: 1.01 }, 'topP', /\(0, 1\]/],
  [{ topP: Number.NaN }, 'topP', /finite/],
  [{ topK: -2 }, 'topK', /at least -1/],
  [{ topK: 2.5 }, 'topK', /integer/],
  [{ topK: Number.NaN }, 'topK', /integer/],
  [{ minP: -0.1 }, 'minP', /\[0, 1\]/],
  [{ minP: 1.1 }, 'minP', /\[0, 1\]/],
  [{ presencePenalty: 2.1 }, 'presencePenalty', /\[-2, 2\]/],
  [{ frequencyPenalty: -2.1 }, 'frequencyPenalty', /\[-2, 2\]/],
  [{ repetitionPenalty: 0 }, 'repetitionPenalty', /\(0, inf\]/],
  [{ repetitionPenalty: Number.NaN }, 'repetitionPenalty', /finite/],
  [{ seed: 1.5 }, 'seed', /integer/],
  [{ seed: 2n ** 63n }, 'seed', /64 bits/],
  [{ maxTokens: 0 }, 'maxTokens', /at least 1, got 0/],
  [{ maxTokens: Number.NaN }, 'maxTokens', /integer/],
  [{ minTokens: -1 }, 'minTokens', /at least 0/],
  [{ minTokens: 5, maxTokens: 4 }, 'minTokens', /less than or equal to maxTokens=4, got 5/],
  [{ stop: '' }, 'stop', /empty string/],
  [{ stop: ['a', ''] }, 'stop', /empty string/],
  [{ stop: 'a', detokenize: false }, 'stop', /detokenize is true/],
  [{ stopTokenIds: [-1] }, 'stopTokenIds', /at least 0/],
  [{ stopTokenIds: [0.5] }, 'stopTokenIds', /integer/],
  [{ allowedTokenIds: [] }, 'allowedTokenIds', /empty/],
  [{ badWords: [''] }, 'badWords', /empty string/],
  [{ repetitionDetection: { maxPatternSize: 3, minCount: 1 } }, 'repetitionDetection.minCount', /at least 2/],
  [
    { repetitionDetection: { maxPatternSize: 3, minPatternSize: 4, minCount: 2 } },
    'repetitionDetection.minPatternSize',
    /not be above/,
  ],
  [{ repetitionDetection: { maxPatternSize: -1, minCount: 2 } }, 'repetitionDetection.maxPatternSize', /at least 0/],
  [{ structuredOutputs: {} }, 'structuredOutputs', /exactly one of json.*it has none/],
  [{ structuredOutputs: { json: {}, regex: 'a' } }, 'structuredOutputs', /it has json, regex/],
  [{ structuredOutputs: { json: '' } }, 'structuredOutputs.json', /must not be empty/],
  [{ structuredOutputs: { json: cyclic } }, 'structuredOutputs.json', /cannot be written as JSON/],
  [{ structuredOutputs: { json: 5 as unknown as object } }, 'structuredOutputs.json', /must be an object/],
  [{ structuredOutputs: { regex: 'a\0' } }, 'structuredOutputs.regex', /NUL/],
  [{ structuredOutputs: { choice: [] } }, 'structuredOutputs.choice', /at least one/],
  [{ structuredOutputs: { choice: ['a', ''] } }, 'structuredOutputs.choice', /empty string/],
  [{ structuredOutputs: { grammar: ' ' } }, 'structuredOutputs.grammar', /must not be empty/],
  [{ structuredOutputs: { jsonObject: false as unknown as true } }, 'structuredOutputs.jsonObject', /must be true/],
  [{ structuredOutputs: { regex: 'a', other: 1 } as object }, 'structuredOutputs.other', /no such constraint/],
  [{ logprobs: -2 }, 'logprobs', /non-negative or -1, got -2/],
  [{ promptLogprobs: Number.NaN }, 'promptLogprobs', /integer/],
  [{ logprobTokenIds: [] }, 'logprobTokenIds', /1 to 128/],
  [{ logprobTokenIds: [1, 2], logprobs: 3 }, 'logprobTokenIds', /2 ids but logprobs is 3/],
  [{ logitBias: { a: 1 } }, 'logitBias', /not a token id: a/],
  [{ logitBias: [1] as unknown as Record<number, number> }, 'logitBias', /an object of numbers/],
  [{ logitBias: new Map([[1, 2]]) as unknown as Record<number, number> }, 'logitBias', /an object of numbers/],
  [{ logitBias: { 1: Number.NaN } }, 'logitBias', /finite/],
  [{ outputKind: 'all' as 'final' }, 'outputKind', /one of/],
  [{ temprature: 1 } as SamplingOptions, 'temprature', /no sampling parameter/],
]

for (const [options, parameter, message] of refused) {
  test(`refused: ${inspect(options)}`, t => {
    const error = t.throws(() => new SamplingParams(options), { instanceOf: InvalidArgumentError, message })
    t.is(error?.code, 'ERR_INVALID_ARGUMENT')
    t.is(error?.parameter, parameter)
  })
}

test('defaults are those of the field', t => {
  const params = new SamplingParams()
  t.like(params, { n: 1, temperature: 1, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, maxTokens: 16, minTokens: 0 })
  t.is(params.seed, undefined)
  t.is(params.logprobs, undefined)
  t.false(params.skipReadingPrefixCache)
})

test('greedy switches the truncations off', t => {
  const params = new SamplingParams({ temperature: 1e-6, topP: 0.5, topK: 3, minP: 0.2 })
  t.true(params.greedy)
  t.like(params, { temperature: 0, topP: 1, topK: 0, minP: 0 })
})

test('normal forms', t => {
  t.is(new SamplingParams({ temperature: 0.001 }).temperature, 0.01)
  t.is(new SamplingParams({ topK: -1 }).topK, 0)
  t.is(new SamplingParams({ seed: -1 }).seed, undefined)
  t.is(new SamplingParams({ seed: 7 }).seed, 7n)
  t.is(new SamplingParams({ logprobs: true }).logprobs, 1)
  t.is(new SamplingParams({ maxTokens: null }).maxTokens, undefined)
  t.deepEqual(new SamplingParams({ stopTokenIds: [3, 1, 3] }).stopTokenIds, [3, 1])
  t.is(new SamplingParams({ logitBias: { 5: 1000 } }).logitBias.get(5), 100)
  t.true(new SamplingParams({ promptLogprobs: 0 }).skipReadingPrefixCache)
})

test('with() replaces some and keeps the rest', t => {
  const params = new SamplingParams({ temperature: 0.5, seed: 3, maxTokens: null, logitBias: { 1: 2 }, logprobs: 0 })
  t.deepEqual({ ...params.with({ topK: 4 }) }, { ...params, topK: 4 })
})
