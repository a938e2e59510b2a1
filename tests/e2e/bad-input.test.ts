// Bad input gets a typed error with a code, and nothing else is lost: the engine answers the next request.

import anyTest, { type TestFn } from 'ava'
import { LLM, type Prompt, type SamplingOptions } from 'quire-llm'

const test = anyTest as TestFn<{ llm: LLM }>

test.before(async t => {
  t.context.llm = await LLM.create({ maxModelLen: 64 })
})
test.after.always(async t => {
  await t.context.llm?.close()
})

const refused: readonly [string, Prompt, SamplingOptions, string, RegExp][] = [
  ['an empty list of ids', { promptTokenIds: [] }, {}, 'ERR_PROMPT_EMPTY', /empty/],
  [
    'a prompt longer than the model',
    { promptTokenIds: new Array<number>(200).fill(5) },
    {},
    'ERR_PROMPT_TOO_LONG',
    /200.*64|64.*200/,
  ],
  ['a prompt as long as the model', { promptTokenIds: new Array<number>(64).fill(5) }, {}, 'ERR_PROMPT_TOO_LONG', /64/],
  ['a negative id', [1, -3], {}, 'ERR_TOKEN_OUT_OF_RANGE', /-3/],
  ['an id beyond the vocabulary', [1, 10_000_000], {}, 'ERR_TOKEN_OUT_OF_RANGE', /10000000/],
  ['an id that is no integer', [1, 2.5], {}, 'ERR_TOKEN_OUT_OF_RANGE', /2\.5/],
  ['an id that is NaN', [1, Number.NaN], {}, 'ERR_TOKEN_OUT_OF_RANGE', /NaN/],
  ['a prompt that is a number', 5 as unknown as Prompt, {}, 'ERR_INVALID_ARGUMENT', /prompt/],
  ['a prompt that is null', null as unknown as Prompt, {}, 'ERR_INVALID_ARGUMENT', /prompt/],
  ['no messages', { messages: [] }, {}, 'ERR_INVALID_ARGUMENT', /at least one message/],
  ['a message without a role', { messages: [{ content: 'x' } as never] }, {}, 'ERR_INVALID_ARGUMENT', /role/],
  ['an empty salt', { prompt: 'x', cacheSalt: '' }, {}, 'ERR_INVALID_ARGUMENT', /cacheSalt/],
  ['a bias beyond the vocabulary', 'x', { logitBias: { 10000000: 1 } }, 'ERR_INVALID_ARGUMENT', /logitBias/],
  [
    'an allowed id beyond the vocabulary',
    'x',
    { allowedTokenIds: [10_000_000] },
    'ERR_INVALID_ARGUMENT',
    /allowedTokenIds/,
  ],
  ['a stop id beyond the vocabulary', 'x', { stopTokenIds: [10_000_000] }, 'ERR_INVALID_ARGUMENT', /stopTokenIds/],
  ['more logprobs than the engine allows', 'x', { logprobs: 21 }, 'ERR_INVALID_ARGUMENT', /21.*20/],
  ['more prompt logprobs than the engine allows', 'x', { promptLogprobs: 21 }, 'ERR_INVALID_ARGUMENT', /21.*20/],
  ['temperature below 0', 'x', { temperature: -1 }, 'ERR_INVALID_ARGUMENT', /temperature/],
  ['top_p of 0', 'x', { topP: 0 }, 'ERR_INVALID_ARGUMENT', /topP/],
  ['max_tokens of 0', 'x', { maxTokens: 0 }, 'ERR_INVALID_ARGUMENT', /maxTokens/],
  ['an empty stop string', 'x', { stop: [''] }, 'ERR_INVALID_ARGUMENT', /stop/],
]

for (const [name, prompt, params, code, message] of refused) {
  test(`refused: ${name}`, async t => {
    const { llm } = t.context
    const beside = llm.generate('Once upon a time', { temperature: 0, maxTokens: 8 })
    await t.throwsAsync(async () => llm.generate(prompt, params), { code, message })
    t.is((await beside).outputs[0]?.tokenIds.length, 8)
  })
}

const circular: Record<string, unknown> = { role: 'user', content: 'Hi' }
circular.self = circular
const wrong = (value: unknown) => value as never
const hi = [{ role: 'user', content: 'Hi' }]

const wrongTypes: readonly [string, (llm: LLM) => unknown, RegExp][] = [
  ['a hole in a list of prompts', llm => llm.generate(wrong(new Array(2))), /prompt/],
  ['parameters that are null', llm => llm.generate('x', wrong(null)), /params/],
  ['parameters that are a number', llm => llm.generate('x', wrong(5)), /params/],
  ['options that are null', llm => llm.generate('x', {}, wrong(null)), /options/],
  ['a signal that is none', llm => llm.generate('x', {}, { signal: wrong(5) }), /signal/],
  ['a signal that is none, streaming', llm => llm.stream('x', {}, { signal: wrong({}) }).next(), /signal/],
  ['a priority that is a text', llm => llm.generate('x', {}, { priority: wrong('high') }), /priority/],
  ['a priority beyond 32 bits', llm => llm.generate('x', {}, { priority: 1e18 }), /priority/],
  ['a priority that is NaN', llm => llm.generate('x', {}, { priority: Number.NaN }), /priority/],
  ['a message that holds itself', llm => llm.chat([wrong(circular)]), /messages.*JSON/],
  ['a message with a bigint', llm => llm.chat([{ role: 'user', content: 'Hi', extra: 5n }]), /messages.*JSON/],
  ['variables that hold themselves', llm => llm.chat(hi, {}, { chatTemplateKwargs: circular }), /Kwargs.*JSON/],
  ['a chat template that is a number', llm => llm.chat(hi, {}, { chatTemplate: wrong(5) }), /chatTemplate/],
  ['a text that is a number', llm => llm.tokenize(wrong(5)), /text/],
  ['ids that are a text', llm => llm.detokenize(wrong('abc')), /ids/],
  ['ids beyond 32 bits', llm => llm.detokenize([1e12]), /ids/],
  ['options of the engine that are null', () => LLM.create(wrong(null)), /options/],
  ['progress that is a number', () => LLM.create({ onProgress: wrong(5) }), /onProgress/],
]

for (const [name, call, message] of wrongTypes) {
  test(`refused: ${name}`, async t => {
    await t.throwsAsync(async () => call(t.context.llm), { code: 'ERR_INVALID_ARGUMENT', message })
  })
}

test('halves of surrogate pairs become U+FFFD in prompts and in messages', async t => {
  const { llm } = t.context
  t.true(llm.applyChatTemplate([{ role: 'user', content: 'a\ud800b' }]).includes('a\ufffdb'))
  t.true(llm.detokenize(await llm.tokenize('a\ud800b')).includes('a\ufffdb'))
})

test('what onProgress throws ends the creation, not the process', async t => {
  const onProgress = () => {
    throw new RangeError('mine')
  }
  await t.throwsAsync(LLM.create({ onProgress }), { instanceOf: RangeError, message: 'mine' })
})

test('a closed engine answers every call with ERR_CLOSED', async t => {
  const llm = await LLM.create({ numBlocks: 40 })
  const running = llm.generate('Once', { maxTokens: 400, ignoreEos: true })
  const [ended] = await Promise.allSettled([running, llm.close(), llm.close()])
  t.is(ended?.status === 'rejected' && (ended.reason as { code: string }).code, 'ERR_CLOSED')
  const calls: readonly (() => unknown)[] = [
    () => llm.generate('x'),
    () => llm.chat(hi),
    () => llm.stream('x').next(),
    () => llm.tokenize('x'),
    () => llm.detokenize([5]),
    () => llm.applyChatTemplate(hi),
  ]
  for (const call of calls) await t.throwsAsync(async () => call(), { code: 'ERR_CLOSED' })
  await t.notThrowsAsync(llm.close())
})

test.serial('one bad prompt of a call refuses the call and leaves nothing running', async t => {
  const { llm } = t.context
  await t.throwsAsync(llm.generate(['Once upon a time', [1, -1], 'One day'], { maxTokens: 40 }), {
    code: 'ERR_TOKEN_OUT_OF_RANGE',
  })
  await llm.generate('One day', { maxTokens: 1 })
  t.is(llm.stats().numWaiting, 0)
})

test('a KV cache too small for one sequence says what is needed and what to lower', async t => {
  const error = await t.throwsAsync(LLM.create({ numBlocks: 2, blockSize: 8, maxModelLen: 512 }), {
    code: 'ERR_OUT_OF_MEMORY',
  })
  t.regex(error?.message ?? '', /maxModelLen/)
  const bytes = await t.throwsAsync(LLM.create({ kvCacheMemoryBytes: 1000 }), { code: 'ERR_OUT_OF_MEMORY' })
  t.regex(bytes?.message ?? '', /kvCacheMemoryBytes|maxModelLen/)
})

test('a model length beyond the model is refused', async t => {
  await t.throwsAsync(LLM.create({ maxModelLen: 1_000_000 }), { code: 'ERR_INVALID_ARGUMENT', message: /maxModelLen/ })
})

test.serial('abort at any moment of a request leaves the engine whole', async t => {
  const { llm } = t.context
  for (let moment = 0; moment < 40; moment += 1) {
    const controller = new AbortController()
    const running = llm.generate('Once upon a time', { maxTokens: 40, ignoreEos: true }, { signal: controller.signal })
    setTimeout(() => controller.abort(), moment * 0.5)
    await running.catch((error: { code?: string }) => t.is(error.code, 'ERR_ABORTED'))
  }
  const output = await llm.generate('Once upon a time', { temperature: 0, maxTokens: 4 })
  t.is(output.outputs[0]?.tokenIds.length, 4)
  t.is(llm.stats().numRunning, 0)
})
