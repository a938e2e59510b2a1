// LLM.embed and LLM.score on real kernels: encoders, cross-encoders and decoders, in this thread and in one of the loop.

import test from 'ava'
import { Engine, LLM } from '../../ts/src/index.js'
import { cosine, fixture, goldenSequences, minilm, minilmCases, reasonToSkipMinilm } from './fixture-models.js'

const numbers = (vector: ArrayLike<number> | undefined) => Array.from(vector ?? [])

test('an encoder comes up without a cache, and its vectors are those of transformers', async t => {
  await using llm = await LLM.create({ model: fixture('pooling/bert') })
  t.is(llm.modelInfo.generates, false)
  t.is(llm.cacheInfo.numTokens, 0)
  const golden = goldenSequences('pooling/bert')
  const outputs = await llm.embed(golden.map(({ text }) => text))
  for (const [index, { embedding, promptTokenIds }] of outputs.entries()) {
    const expected = golden[index]
    t.deepEqual(numbers(promptTokenIds), [...(expected?.token_ids ?? [])])
    t.true(cosine(embedding, expected?.mean ?? []) > 0.999999, expected?.text)
    t.true(Math.abs(Math.hypot(...embedding) - 1) < 1e-6)
  }
  const alone = await llm.embed(golden[0]?.text ?? '')
  t.deepEqual(alone.embedding, outputs[0]?.embedding)
  const byIds = await llm.embed([...(golden[0]?.token_ids ?? [])])
  t.deepEqual(byIds.embedding, alone.embedding)
  const cls = await llm.embed(golden[1]?.text ?? '', { pooling: 'cls', normalize: false })
  for (const [index, value] of (golden[1]?.cls ?? []).entries())
    t.true(Math.abs((cls.embedding[index] as number) - value) < 1e-4)
})

test('an encoder does not generate, and says so', async t => {
  await using llm = await LLM.create({ model: fixture('pooling/bert') })
  const error = await t.throwsAsync(llm.generate('the cat'), { code: 'ERR_NOT_SUPPORTED' })
  t.regex(error?.message ?? '', /BertModel generates no text/)
  t.is((await llm.embed('the cat')).embedding.length, 32)
})

test('a text that is too long is cut to the length of the sentence model', async t => {
  await using llm = await LLM.create({ model: fixture('pooling/bert') })
  const { promptTokenIds } = await llm.embed('the cat sat '.repeat(50))
  t.is(promptTokenIds.length, 48)
  t.is(promptTokenIds[47], 3)
  const short = await llm.embed('the cat sat on', { truncatePromptTokens: 4, truncationSide: 'left' })
  t.deepEqual(numbers(short.promptTokenIds), [2, 8, 9, 3])
})

test('a cross-encoder scores pairs as transformers does', async t => {
  await using llm = await LLM.create({ model: fixture('pooling/bert_cross_encoder') })
  const golden = goldenSequences('pooling/bert_cross_encoder')
  const outputs = await llm.score(
    golden.map(({ text }) => text),
    golden.map(({ pair }) => pair ?? ''),
  )
  for (const [index, { score, numTokens }] of outputs.entries()) {
    t.true(Math.abs(score - (golden[index]?.logit ?? Number.NaN)) < 1e-4)
    t.is(numTokens, golden[index]?.token_ids.length ?? -1)
  }
  const one = await llm.score(golden[0]?.text ?? '', golden[0]?.pair ?? '')
  t.is(one.score, outputs[0]?.score ?? Number.NaN)
  await t.throwsAsync(llm.embed('the cat'), { code: 'ERR_NOT_SUPPORTED', message: /cross-encoder/ })
  await t.throwsAsync(llm.score(['a', 'b'], ['c']), { code: 'ERR_INVALID_ARGUMENT' })
  await t.throwsAsync(llm.score('a', []), { code: 'ERR_INVALID_ARGUMENT' })
})

test('a model of vectors scores by their cosine', async t => {
  await using llm = await LLM.create({ model: fixture('pooling/bert') })
  const texts = ['the cat sat', 'a dog runs', 'the cat sat']
  const [first, second, third] = await llm.embed(texts)
  const scores = await llm.score('the cat sat', texts)
  t.true(Math.abs((scores[1]?.score ?? 0) - cosine(first?.embedding ?? [], second?.embedding ?? [])) < 1e-6)
  t.true(Math.abs((scores[2]?.score ?? 0) - 1) < 1e-6)
  const computed = new Set(texts).size
  t.is(computed, 2)
  t.is(
    scores.reduce((sum, { numTokens }) => sum + numTokens, 0),
    (first?.promptTokenIds.length ?? 0) + (second?.promptTokenIds.length ?? 0),
  )
  t.deepEqual(first, third)
})

test('a decoder embeds by its last token, beside generations that say what they say alone', async t => {
  await using llm = await LLM.create({ numBlocks: 400 })
  const sampling = { temperature: 0, maxTokens: 24, ignoreEos: true }
  const alone = await llm.generate('Once upon a time', sampling)
  const texts = ['A story', 'A much longer story about a dog and a cat that went to the sea.', 'x']
  const embedded = await llm.embed(texts)
  const [together, ...again] = await Promise.all([
    llm.generate('Once upon a time', sampling),
    ...texts.map(text => llm.embed(text)),
  ])
  t.is(together.outputs[0]?.text, alone.outputs[0]?.text)
  for (const [index, { embedding }] of again.entries()) {
    t.deepEqual(embedding, embedded[index]?.embedding)
    t.true(Math.abs(Math.hypot(...embedding) - 1) < 1e-6)
  }
  const long = 'A story about the sea. '.repeat(200)
  await t.throwsAsync(llm.embed(long), { code: 'ERR_PROMPT_TOO_LONG' })
  const cut = await llm.embed(long, { truncatePromptTokens: -1 })
  t.is(cut.promptTokenIds.length, llm.engine.maxModelLen)
  const mean = await llm.embed('A story', { pooling: 'mean' })
  t.notDeepEqual(mean.embedding, embedded[0]?.embedding)
})

test('the loop in a thread of its own embeds alike, and is aborted alike', async t => {
  await using inThread = await Engine.create({ model: fixture('pooling/bert') })
  await using inline = await LLM.create({ model: fixture('pooling/bert') })
  const texts = Array.from({ length: 50 }, (_, index) => 'the cat sat on a mat. '.repeat(1 + (index % 6)))
  const outputs = await inThread.embed(texts)
  t.deepEqual(
    outputs.map(({ embedding }) => embedding),
    (await inline.embed(texts)).map(({ embedding }) => embedding),
  )
  const controller = new AbortController()
  const call = inThread.embed(
    Array.from({ length: 2000 }, () => 'the cat sat on a mat. '.repeat(6)),
    { signal: controller.signal },
  )
  setTimeout(() => controller.abort(), 5)
  await t.throwsAsync(call, { code: 'ERR_ABORTED' })
  t.is(inThread.numRequests, 0)
  t.is((await inThread.embed(['dogs'])).length, 1)
  await t.throwsAsync(inThread.embed([[1, 999_999]]), { code: 'ERR_TOKEN_OUT_OF_RANGE' })
})

const reason = reasonToSkipMinilm()
const real = reason === undefined ? test : test.skip
const title = 'all-MiniLM-L6-v2 is equal to the vectors of transformers'
real(reason === undefined ? title : `${title} (skipped: ${reason})`, async t => {
  const cases = minilmCases()
  for (const dtype of ['float32', 'bfloat16'] as const) {
    await using llm = await LLM.create({ model: minilm, dtype })
    const outputs = await llm.embed(cases.map(({ text }) => text))
    for (const [index, { embedding, promptTokenIds }] of outputs.entries()) {
      t.deepEqual(numbers(promptTokenIds), [...(cases[index]?.token_ids ?? [])])
      t.true(cosine(embedding, cases[index]?.embedding ?? []) > 0.9999, `${dtype} ${cases[index]?.text}`)
    }
  }
})
