// What the KV cache stores keys and values as: company, chunks, preemption, prefix hits and beams change no token of any type; eight bits
// take half of bfloat16's bytes; what a framework does not have is refused by name.

import test from 'ava'
import { type CreateOptions, InvalidArgumentError, LLM } from 'quire-llm'

const prompts = [
  'Once upon a time there was a little dog who lived',
  'One day',
  'The sun was warm. Tom and his sister went to the park to play with a ball, and then',
]
const params = { temperature: 0, maxTokens: 24, ignoreEos: true }

function tokensOf(outputs: readonly { readonly outputs: readonly { readonly tokenIds: readonly number[] }[] }[]) {
  return outputs.map(({ outputs: [first] }) => Array.from(first?.tokenIds ?? []))
}

/** Tokens of each prompt on its own, computed in one step, of nothing that was computed before. */
async function alone(options: CreateOptions): Promise<number[][]> {
  await using llm = await LLM.create({ ...options, enablePrefixCaching: false })
  const outputs = []
  for (const prompt of prompts) outputs.push(await llm.generate(prompt, params))
  return tokensOf(outputs)
}

const sizes = new Map<string, number>()

for (const kvCacheDtype of ['float32', 'bfloat16', 'fp8', 'fp8_e4m3', 'fp8_e5m2', 'int8']) {
  test.serial(`${kvCacheDtype}: tokens do not depend on company, chunks, preemption and prefix hits`, async t => {
    const expected = await alone({ kvCacheDtype })
    // Blocks for about two of the sequences.
    const scarce = { blockSize: 8, numBlocks: 15, maxModelLen: 64, maxNumBatchedTokens: 7, maxNumSeqs: 6 }
    await using llm = await LLM.create({ kvCacheDtype, ...scarce })
    const twice = [...prompts, ...prompts]
    t.deepEqual(tokensOf(await llm.generate(twice, params)), [...expected, ...expected])
    t.true(llm.stats().numPreemptions > 0)
    const again = await llm.generate(prompts[2] as string, params)
    t.true(again.numCachedTokens > 0)
    t.deepEqual(tokensOf([again]), [expected[2]])
    const { bytes, numBlocks, blockSize } = llm.cacheInfo
    sizes.set(kvCacheDtype, bytes / (numBlocks * blockSize))
  })
}

test.serial('beams that share blocks are those of a cache without sharing', async t => {
  const found = []
  for (const enablePrefixCaching of [true, false]) {
    await using llm = await LLM.create({ kvCacheDtype: 'int8', enablePrefixCaching, blockSize: 8 })
    const { outputs } = await llm.beamSearch(prompts[0] as string, { beamWidth: 3, maxTokens: 12 })
    found.push(outputs.map(({ tokenIds, cumulativeLogprob }) => ({ tokenIds, cumulativeLogprob })))
  }
  t.is(found[0]?.length, 3)
  t.deepEqual(found[0], found[1])
})

test.serial('bytes of a token', async t => {
  await using llm = await LLM.create()
  const { numLayers, numKvHeads, headDim } = llm.modelInfo
  const vectors = 2 * numLayers * numKvHeads
  const expected = { float32: 4, bfloat16: 2, fp8: 1, fp8_e4m3: 1, fp8_e5m2: 1 }
  for (const [name, bytes] of Object.entries(expected)) t.is(sizes.get(name), vectors * headDim * bytes, name)
  t.is(sizes.get('int8'), vectors * (headDim + 4))
})

for (const [kvCacheDtype, why] of [
  ['fp4', /kvCacheDtype must be one of auto, .*bfloat16, fp8, .*int8 on this framework, got fp4/],
  ['INT8', /got INT8/],
  ['', /got \./],
] as const) {
  test(`refused: '${kvCacheDtype}'`, async t => {
    const error = await t.throwsAsync(LLM.create({ kvCacheDtype }), { instanceOf: InvalidArgumentError, message: why })
    t.is(error?.parameter, 'kvCacheDtype')
  })
}
