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
