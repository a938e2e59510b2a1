// What the engine refuses before anything runs, each with its code and the field, and what is taken back before it runs.

import test from 'ava'
import { Grammars } from '../../ts/src/binding/index.js'
import type { EngineRequest } from '../../ts/src/engine/index.js'
import { InvalidArgumentError } from '../../ts/src/errors.js'
import { createFakeEngine } from './fake-plugin.js'

const rows: readonly (readonly [string, ArrayLike<number>, object, Partial<EngineRequest>, object])[] = [
  ['an empty prompt', [], {}, {}, { code: 'ERR_PROMPT_EMPTY' }],
  [
    'a prompt as long as the model',
    new Array(256).fill(1),
    {},
    {},
    { code: 'ERR_PROMPT_TOO_LONG', details: { given: 256, allowed: 255 } },
  ],
  ['a negative id', [1, -1], {}, {}, { code: 'ERR_TOKEN_OUT_OF_RANGE', details: { index: 1, value: -1 } }],
  ['an id beyond the vocabulary', [64], {}, {}, { code: 'ERR_TOKEN_OUT_OF_RANGE', details: { value: 64 } }],
  ['half an id', [1.5], {}, {}, { code: 'ERR_TOKEN_OUT_OF_RANGE', details: { value: 1.5 } }],
  ['an id that is not a number', [Number.NaN], {}, {}, { code: 'ERR_TOKEN_OUT_OF_RANGE' }],
  ['stopTokenIds', [1], { stopTokenIds: [64] }, {}, { code: 'ERR_INVALID_ARGUMENT', parameter: 'stopTokenIds' }],
  [
    'allowedTokenIds',
    [1],
    { allowedTokenIds: [99] },
    {},
    { code: 'ERR_INVALID_ARGUMENT', parameter: 'allowedTokenIds' },
  ],
  ['logitBias', [1], { logitBias: { 64: 1 } }, {}, { code: 'ERR_INVALID_ARGUMENT', parameter: 'logitBias' }],
  ['logprobs', [1], { logprobs: 21 }, {}, { code: 'ERR_INVALID_ARGUMENT', parameter: 'logprobs' }],
  ['promptLogprobs', [1], { promptLogprobs: -1 }, {}, { code: 'ERR_INVALID_ARGUMENT', parameter: 'promptLogprobs' }],
  ['stop without a tokenizer', [1], { stop: ['x'] }, {}, { code: 'ERR_INVALID_ARGUMENT', parameter: 'stop' }],
  [
    'bad words without a tokenizer',
    [1],
    { badWords: ['x'] },
    {},
    { code: 'ERR_INVALID_ARGUMENT', parameter: 'badWords' },
  ],
]

for (const [title, prompt, sampling, more, expected] of rows) {
  test(`refused: ${title}`, async t => {
    const { engine, request } = await createFakeEngine()
    const error = t.throws(() => engine.add(request(prompt, sampling, more)))
    t.like(error, expected)
    t.is(engine.stats().numWaiting, 0)
    const { outputs } = await engine.add(request([1])).final()
    t.is(outputs[0]?.tokenIds.length, 8)
    await engine.close()
  })
}

test('refused: an id of a request that runs', async t => {
  const { engine, request } = await createFakeEngine()
  const running = engine.add(request([1], {}, { requestId: 'mine' })).final()
  t.throws(() => engine.add(request([1], {}, { requestId: 'mine' })), { code: 'ERR_INVALID_ARGUMENT' } as object)
  await running
  await engine.add(request([1], {}, { requestId: 'mine' })).final()
  await engine.close()
})

test.serial('a grammar that nobody waits for any more is not compiled, and its request never runs', async t => {
  const { compile } = Grammars.prototype
  t.teardown(() => {
    Grammars.prototype.compile = compile
  })
  const { engine, request } = await createFakeEngine({ vocabSize: 2048 }, { loadTokenizer: true })
  const choice = (text: string) => engine.add(request([1, 2], { structuredOutputs: { choice: [text] }, maxTokens: 2 }))
  await choice('first').final()
  const before = engine.stats().prefixCacheQueries
  const compiled: unknown[] = []
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  Grammars.prototype.compile = async function (source) {
    compiled.push(source)
    await opened
    return compile.call(this, source)
  }
  const streams = ['a', 'b', 'c', 'd', 'e'].map(choice)
  while (compiled.length < 2) await new Promise(resolve => setImmediate(resolve))
  for (const stream of streams) {
    stream.abort()
    await t.throwsAsync(stream.final(), { code: 'ERR_ABORTED' })
  }
  const last = choice('last')
  open()
  await last.final()
  t.is(compiled.length, 3)
  t.is(engine.stats().prefixCacheQueries, before + 2)
  await engine.close()
})

test('a framework without types of its own for the KV cache refuses all but auto', async t => {
  const error = await t.throwsAsync(createFakeEngine({}, { kvCacheDtype: 'fp8' }), {
    instanceOf: InvalidArgumentError,
    message: /^kvCacheDtype must be auto on this framework, got fp8\./,
  })
  t.is(error?.parameter, 'kvCacheDtype')
})

test('a folder for packed weights is refused where the framework keeps none', async t => {
  const error = await t.throwsAsync(createFakeEngine({}, { packedWeightsCache: 'packed' }), {
    instanceOf: InvalidArgumentError,
    message: /^This framework keeps no packed weights\./,
  })
  t.is(error?.parameter, 'packedWeightsCache')
})
