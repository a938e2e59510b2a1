// Beam search against a search that looks at everything, on the bundled model; and its way through the endpoints.

import test from 'ava'
import { SamplingParams } from '../../ts/src/config/index.js'
import { beamSearch, type Engine, type RequestOutput } from '../../ts/src/engine/index.js'
import { InvalidArgumentError, LLM, likeliestOutputs } from '../../ts/src/index.js'
import { type Answer, allFree, leftInTheMiddle, TestHandler } from './test-server.js'

const server = await TestHandler.create({}, { maxLogprobs: 40 })
test.after(() => server.engine.close())

let requests = 0
async function searchOf(engine: Engine, text: string, options: Parameters<typeof beamSearch>[0]['options']) {
  const [promptTokenIds] = await engine.encode([text], true)
  requests += 1
  return beamSearch(
    { requestId: `beams${requests}`, promptTokenIds: promptTokenIds as Int32Array, options },
    {
      eosTokenIds: engine.modelInfo.eosTokenIds,
      maxModelLen: engine.maxModelLen,
      add: request => engine.add(request),
      decode: (ids, skip) => engine.decode(ids, skip),
    },
  )
}

/** Logprobs of all continuations of `ids` by one token. */
async function alternatives(engine: Engine, ids: readonly number[], count: number) {
  requests += 1
  const params = new SamplingParams({ maxTokens: 1, temperature: 0, logprobs: count, detokenize: false })
  const output = await engine.add({ requestId: `r${requests}`, promptTokenIds: ids, params }).final()
  return output.outputs[0]?.logprobs?.[0]?.top ?? []
}

interface Path {
  readonly ids: readonly number[]
  readonly sum: number
  readonly ended: boolean
}

/** The same search, written plainly: whole paths are sorted in each round. */
async function plainSearch(engine: Engine, text: string, width: number, rounds: number, penalty: number) {
  const [prompt] = await engine.encode([text], true)
  const start = Array.from(prompt as Int32Array)
  const eos = engine.modelInfo.eosTokenIds
  let living: Path[] = [{ ids: [], sum: 0, ended: false }]
  const complete: Path[] = []
  for (let round = 0; round < rounds; round += 1) {
    const grown: Path[] = []
    for (const path of living) {
      for (const { tokenId, logprob } of await alternatives(engine, [...start, ...path.ids], 2 * width)) {
        const ended = eos.includes(tokenId)
        grown.push({ ids: ended ? path.ids : [...path.ids, tokenId], sum: path.sum + logprob, ended })
      }
    }
    complete.push(...grown.filter(({ ended }) => ended))
    living = grown
      .filter(({ ended }) => !ended)
      .toSorted((a, b) => b.sum - a.sum)
      .slice(0, width)
  }
  const score = ({ ids, sum }: Path) => sum / (start.length + ids.length) ** penalty
  return [...complete, ...living].toSorted((a, b) => score(b) - score(a)).slice(0, width)
}

for (const [text, width, rounds, penalty] of [
  ['Once upon a time', 2, 6, 1],
  ['The little dog', 4, 5, 1],
  ['One day', 3, 8, 0],
  ['One day', 3, 8, 3],
  ['A', 1, 6, 1],
  ['Tom was sad because', 5, 12, 1],
] as const) {
  test(`${width} beams of ${rounds} tokens after "${text}", penalty ${penalty}`, async t => {
    const output = await searchOf(server.engine, text, { beamWidth: width, maxTokens: rounds, lengthPenalty: penalty })
    const expected = await plainSearch(server.engine, text, width, rounds, penalty)
    t.deepEqual(
      output.outputs.map(({ tokenIds }) => tokenIds),
      expected.map(({ ids }) => ids),
    )
    for (const [index, { cumulativeLogprob, finishReason }] of output.outputs.entries()) {
      t.true(Math.abs((cumulativeLogprob as number) - (expected[index] as Path).sum) < 1e-4)
      t.is(finishReason, expected[index]?.ended ? 'stop' : 'length')
    }
    t.is(output.outputs.length, width)
  })
}

test('one beam is greedy sampling', async t => {
  const body = { prompt: 'Once upon a time', max_tokens: 12 }
  const greedy = await server.post('/v1/completions', { ...body, temperature: 0, logprobs: 0 })
  const beam = await server.post('/v1/completions', { ...body, use_beam_search: true, logprobs: 0 })
  t.is(beam.body.choices[0].text, greedy.body.choices[0].text)
  t.deepEqual(beam.body.choices[0].logprobs.tokens, greedy.body.choices[0].logprobs.tokens)
})

test('no sampled text is likelier than the best of enough beams', async t => {
  const width = 8
  const { outputs } = await searchOf(server.engine, 'The little dog', { beamWidth: width, maxTokens: 6 })
  const [promptTokenIds] = await server.engine.encode(['The little dog'], true)
  const params = new SamplingParams({ n: 32, maxTokens: 6, minTokens: 6, logprobs: 0, seed: 2 })
  const drawn: RequestOutput = await server.engine
    .add({ requestId: 'drawn', promptTokenIds: promptTokenIds as Int32Array, params })
    .final()
  const best = Math.max(...outputs.filter(one => one.tokenIds.length === 6).map(one => one.cumulativeLogprob as number))
  for (const { cumulativeLogprob } of drawn.outputs) t.true((cumulativeLogprob as number) <= best + 1e-4)
})

test('texts are those of the ids after the prompt', async t => {
  const { outputs } = await searchOf(server.engine, 'Once upon a time', { beamWidth: 3, maxTokens: 5 })
  for (const { text, tokenIds } of outputs) t.is(text, server.engine.decode(tokenIds))
})

test('an end-of-sequence id is kept where that is asked for, and not looked at where it is ignored', async t => {
  const text = '<|begin|><|user|>Hello<|end|><|assistant|>Hello'
  const options = { beamWidth: 4, maxTokens: 12 }
  const eos = server.engine.modelInfo.eosTokenIds[0] as number
  const ended = (output: RequestOutput) => output.outputs.filter(({ finishReason }) => finishReason === 'stop')
  const plain = ended(await searchOf(server.engine, text, options))
  t.true(plain.length > 0)
  t.true(plain.every(({ tokenIds, stopReason }) => !tokenIds.includes(eos) && stopReason === null))
  const kept = ended(await searchOf(server.engine, text, { ...options, includeStopStrInOutput: true }))
  t.true(kept.length > 0 && kept.every(({ tokenIds }) => tokenIds.at(-1) === eos))
  t.is(ended(await searchOf(server.engine, text, { ...options, ignoreEos: true })).length, 0)
})

for (const [path, body] of [
  ['/v1/completions', { prompt: ['The little dog', 'One day'] }],
  ['/v1/chat/completions', { messages: [{ role: 'user', content: 'Tell me a story.' }] }],
] as const) {
  test(`${path}: n beams, best first`, async t => {
    const { status, body: reply } = await server.post(path, { ...body, use_beam_search: true, n: 3, max_tokens: 4 })
    t.is(status, 200, JSON.stringify(reply))
    const prompts = 'prompt' in body ? body.prompt.length : 1
    t.deepEqual(
      reply.choices.map(({ index }: Answer['body']) => index),
      [...Array(3 * prompts).keys()],
    )
    const texts = reply.choices.map((choice: Answer['body']) => choice.text ?? choice.message.content)
    t.is(new Set(texts).size, texts.length)
  })

  test(`${path}: more beams than logprobs are allowed`, async t => {
    const { status, body: reply } = await server.post(path, { ...body, use_beam_search: true, n: 21, max_tokens: 4 })
    t.is(status, 400)
    t.is(reply.error.param, 'n')
    t.regex(reply.error.message, /beams/)
  })
}

test.serial('a caller that leaves ends its search', async t => {
  const body = { prompt: 'Once upon a time', use_beam_search: true, n: 8, max_tokens: 400, ignore_eos: true }
  await leftInTheMiddle(server.engine, signal => server.send('/v1/completions', body, {}, signal)).catch(() => {})
  t.true(await allFree(server.engine))
})

test('LLM.beamSearch: one prompt or many, best first', async t => {
  const llm = await LLM.create({ numBlocks: 200, threads: 1 })
  const search = { beamWidth: 3, maxTokens: 5 }
  const one = await llm.beamSearch('Once upon a time', search)
  t.deepEqual(
    one.outputs.map(({ tokenIds }) => tokenIds),
    (await searchOf(server.engine, 'Once upon a time', search)).outputs.map(({ tokenIds }) => tokenIds),
  )
  const many = await llm.beamSearch(['Once upon a time', 'One day'], search)
  t.deepEqual(many[0]?.outputs, one.outputs)
  t.is(many[1]?.outputs.length, 3)
  for (const [wrong, parameter] of [
    [{ ...search, beamWidth: 0 }, 'beamWidth'],
    [{ ...search, beamWidth: 11 }, 'beamWidth'],
    [{ ...search, maxTokens: 0 }, 'maxTokens'],
    [{ ...search, temperature: 3 }, 'temperature'],
  ] as const) {
    const error = await t.throwsAsync(llm.beamSearch('Once', wrong), { instanceOf: InvalidArgumentError })
    t.is(error.parameter, parameter)
  }
  await t.throwsAsync(llm.beamSearch('Once', search, { signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
  await llm.close()
})

test('likeliestOutputs ranks by cumulative logprob', async t => {
  const llm = await LLM.create({ numBlocks: 200, threads: 1 })
  const { outputs } = await llm.generate('Once', { n: 5, seed: 1, logprobs: 0, maxTokens: 4 })
  const best = likeliestOutputs(outputs, 2)
  const sums = outputs.map(({ cumulativeLogprob }) => cumulativeLogprob as number).toSorted((a, b) => b - a)
  t.deepEqual(
    best.map(({ cumulativeLogprob }) => cumulativeLogprob),
    sums.slice(0, 2),
  )
  t.deepEqual(
    best.map(({ index }) => index),
    [0, 1],
  )
  const unranked = await llm.generate('Once', { n: 2, seed: 1, maxTokens: 2 })
  t.throws(() => likeliestOutputs(unranked.outputs, 1), { instanceOf: InvalidArgumentError })
  await llm.close()
})
