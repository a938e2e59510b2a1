// Logits processors in the engine: what they are told and may do, their place among rules, grammars and logprobs, that nobody
// else's tokens change, and how they fail.

import { fileURLToPath } from 'node:url'
import test from 'ava'
import {
  type CreateOptions,
  Engine,
  type EngineError,
  type EngineOptions,
  InvalidArgumentError,
  LLM,
  type LogitsContext,
  type LogitsProcessor,
  LogitsProcessorError,
  type RequestOutput,
  type SamplingOptions,
  SamplingParams,
  WorkerError,
} from '../../ts/src/index.js'
import { createFakeEngine, expectedIds, type FakeEngine, type FakeOptions } from './fake-plugin.js'

const VOCAB = 64
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/logits-processors/${name}`, import.meta.url))

const idsOf = ({ outputs }: RequestOutput) => outputs.map(({ tokenIds }) => [...tokenIds])
const isIdle = (engine: Engine) => {
  const { numRunning, numWaiting, numFreeBlocks, numUsableBlocks } = engine.stats()
  return numRunning === 0 && numWaiting === 0 && numFreeBlocks === numUsableBlocks
}

/** The only id that `force` lets come: another one wherever anything that it is told changes. */
function forcedId({ promptTokenIds, outputTokenIds, index, args }: LogitsContext): number {
  const told = [...promptTokenIds, -1, ...outputTokenIds, index, Number(args.step ?? 0)]
  return told.reduce((hash, id) => (hash * 31 + id + 7) % 65_521, 1) % VOCAB
}

const force: LogitsProcessor = (row, context) => {
  row[forcedId(context)] = Number.POSITIVE_INFINITY
}

/** What `force` must make of a prompt. */
function forcedIds(prompt: readonly number[], count: number, step: number, index = 0): number[] {
  const ids: number[] = []
  const promptTokenIds = Int32Array.from(prompt)
  while (ids.length < count) {
    ids.push(forcedId({ promptTokenIds, outputTokenIds: Int32Array.from(ids), index, args: { step } }))
  }
  return ids
}

const withForce = (options: EngineOptions = {}, fake: FakeOptions = {}): Promise<FakeEngine> =>
  createFakeEngine(fake, { logitsProcessors: { force }, ...options })

test('a processor is told prompt, outputs, index and arguments', async t => {
  const { engine, request } = await withForce()
  const cases = [
    { prompt: [1, 2, 3], step: 0 },
    { prompt: [1, 2, 3], step: 5 },
    { prompt: [3], step: 5 },
  ]
  for (const { prompt, step } of cases) {
    const output = await engine.add(request(prompt, { maxTokens: 40, extraArgs: { step } })).final()
    t.deepEqual(idsOf(output), [forcedIds(prompt, 40, step)])
  }
  const several = request([7, 8], { temperature: 1, n: 3, maxTokens: 9, extraArgs: { step: 2 } })
  const outputs = idsOf(await engine.add(several).final())
  t.deepEqual(
    outputs,
    [0, 1, 2].map(index => forcedIds([7, 8], 9, 2, index)),
  )
  t.true(isIdle(engine))
  await engine.close()
})

test('in company, under preemption and where the device draws, each request says what it says alone', async t => {
  let numCalls = 0
  const counted: LogitsProcessor = (row, context) => {
    numCalls += 1
    return force(row, context)
  }
  const sampling = (index: number): SamplingOptions => {
    const drawn = index % 3 === 0 ? {} : { temperature: 0.8, seed: index }
    return { ...drawn, maxTokens: 24, ...(index % 2 === 0 && { extraArgs: { step: index } }) }
  }
  const prompts = Array.from({ length: 8 }, (_, index) => Array.from({ length: 3 + index }, (__, at) => at + index))
  const logitsProcessors = { counted }
  const alone = await createFakeEngine({}, { logitsProcessors })
  const expected: number[][][] = []
  for (const [index, prompt] of prompts.entries())
    expected.push(idsOf(await alone.engine.add(alone.request(prompt, sampling(index))).final()))
  await alone.engine.close()
  for (const index of [0, 2, 4, 6]) t.deepEqual(expected[index], [forcedIds(prompts[index] ?? [], 24, index)])
  t.deepEqual(expected[3], [expectedIds(prompts[3] ?? [], 24)])
  for (const [options, fake] of [
    [{}, {}],
    [{ numBlocks: 24, maxModelLen: 64 }, { maxModelLen: 64 }],
    [{ maxNumBatchedTokens: 4, maxNumSeqs: 4 }, {}],
    [{}, { deviceSampling: true }],
  ] as const) {
    numCalls = 0
    const { engine, request } = await createFakeEngine(fake, { logitsProcessors, ...options })
    const streams = prompts.map((prompt, index) => engine.add(request(prompt, sampling(index))))
    const outputs = await Promise.all(streams.map(stream => stream.final()))
    t.deepEqual(outputs.map(idsOf), expected)
    if ('numBlocks' in options) t.true(engine.stats().numPreemptions > 0)
    // A row for each token of those that asked, and none of the others.
    else t.is(numCalls, 4 * 24)
    t.true(isIdle(engine))
    await engine.close()
  }
})

test('a request that runs again on a new worker begins anew', async t => {
  let step = 0
  const onStep = () => {
    step += 1
    if (step === 1) throw new WorkerError('gone')
  }
  const { engine, runners, request } = await withForce({ restart: true }, { onStep })
  const output = await engine.add(request([5, 6], { maxTokens: 6, extraArgs: { step: 3 } })).final()
  t.deepEqual(idsOf(output), [forcedIds([5, 6], 6, 3)])
  t.is(runners.length, 2)
  await engine.close()
})

test('which processors run: those that are named in their order, all where there are arguments, else none', async t => {
  // In memory that no native call takes.
  const double: LogitsProcessor = row => {
    const other = new Float32Array(new SharedArrayBuffer(row.byteLength))
    other.set(row.map(logit => 2 * logit))
    return other
  }
  const add: LogitsProcessor = (row, { args }) => {
    row[Number(args.id ?? 9)] = 5
  }
  const { engine, request } = await createFakeEngine({}, { logitsProcessors: { double, add } })
  const first = async (sampling: SamplingOptions) => {
    const output = await engine.add(request([1, 2], { maxTokens: 1, ...sampling })).final()
    return output.outputs[0]?.tokenIds[0]
  }
  const [model] = expectedIds([1, 2], 1) // its logit is 4
  t.is(await first({}), model)
  t.is(await first({ logitsProcessors: [] }), model)
  t.is(await first({ logitsProcessors: [], extraArgs: { id: 3 } }), model)
  t.is(await first({ logitsProcessors: ['add'] }), 9)
  t.is(await first({ logitsProcessors: ['double', 'add'] }), model)
  t.is(await first({ logitsProcessors: ['add', 'double', 'add'] }), 9)
  t.is(await first({ extraArgs: { id: 3 } }), model)
  await engine.close()
})

test('allowed ids and minTokens hold; biases come before and penalties after', async t => {
  const seen: number[][] = []
  const flood: LogitsProcessor = row => {
    seen.push([...row])
    return new Float32Array(row.length).fill(3)
  }
  const options = { logitsProcessors: { flood }, logprobsMode: 'processed_logits', maxLogprobs: -1 } as const
  const { engine, request } = await createFakeEngine({ eosTokenIds: [2] }, options)
  const sampling = { logitsProcessors: ['flood'], maxTokens: 2, ignoreEos: true, logprobs: -1 }
  const rules = { allowedTokenIds: [2, 5, 6], logitBias: { 6: 50 }, minTokens: 1, presencePenalty: 1 }
  const { outputs } = await engine.add(request([1], { ...sampling, ...rules })).final()
  // The end token only after the first; id 5 not twice, for the penalty comes after what the processor wrote.
  t.deepEqual(outputs[0]?.tokenIds, [5, 2])
  const finite = (row: readonly number[]) => row.flatMap((logit, id) => (logit > -Infinity ? [id] : []))
  t.deepEqual(seen.map(finite), [
    [5, 6],
    [2, 5, 6],
  ])
  t.true((seen[0]?.[6] ?? 0) >= 50)
  const second = new Map(outputs[0]?.logprobs?.[1]?.top.map(({ tokenId, logprob }) => [tokenId, logprob]))
  t.deepEqual(
    [2, 5, 6, 7].map(id => second.get(id)),
    [3, 2, 3, -Infinity],
  )
  await engine.close()
})

test('raw logprobs are those of the model', async t => {
  const { engine, request } = await withForce({ logprobsMode: 'raw_logits' })
  const ask = async (sampling: SamplingOptions) =>
    (await engine.add(request([1, 2], { maxTokens: 1, logprobs: 1, ...sampling })).final()).outputs[0]?.logprobs?.[0]
  const plain = await ask({})
  const forced = await ask({ extraArgs: {} })
  t.is(forced?.tokenId, forcedIds([1, 2], 1, 0)[0])
  t.is(plain?.logprob, 4)
  t.true((forced?.logprob ?? 4) < 2)
  t.true(forced?.top.some(({ tokenId, logprob }) => tokenId === plain?.tokenId && logprob === 4))
  await engine.close()
})

const failures: Readonly<Record<string, [LogitsProcessor, RegExp]>> = {
  throws: [
    () => {
      throw new TypeError('not today')
    },
    /`bad` threw: not today/,
  ],
  'writes NaN': [row => void row.fill(Number.NaN, 3), /`bad` is wrong: .*NaN as the logit of token id 3/],
  'gives a longer row': [row => new Float32Array(row.length + 1), /gave a row of 65 logits; the vocabulary has 64/],
  'gives a shorter row': [row => row.subarray(1), /gave a row of 63 logits/],
  'gives a list': [row => [...row] as unknown as Float32Array, /it gave an array/],
  'gives a promise': [() => Promise.reject(new Error('late')) as unknown as undefined, /it gave a promise/],
  'throws what has no text': [
    () => {
      throw Object.create(null)
    },
    /cannot be told; the request has `bad`/,
  ],
  'leaves nothing': [row => void row.fill(-Infinity), /left no token/],
  'gives its memory away': [
    row => void structuredClone(row, { transfer: [row.buffer as ArrayBuffer] }),
    /gave a row of 0/,
  ],
}

for (const [what, [bad, message]] of Object.entries(failures)) {
  test(`a processor that ${what} ends its request alone`, async t => {
    const late: LogitsProcessor = (row, context) => (context.outputTokenIds.length < 3 ? undefined : bad(row, context))
    const { engine, request } = await createFakeEngine({}, { logitsProcessors: { bad: late, force } })
    const failing = ['bad'].map(name => request([4, 4], { n: 2, temperature: 1, logitsProcessors: [name] }))
    const others = [request([1, 2]), request([1, 2], { extraArgs: { step: 1 }, logitsProcessors: ['force'] })]
    const [first, second, ...streams] = [...others, ...failing].map(each => engine.add(each))
    for (const stream of streams) {
      const error = await t.throwsAsync(stream.final(), { instanceOf: LogitsProcessorError, message })
      t.is((error as EngineError).code, 'ERR_LOGITS_PROCESSOR')
      t.deepEqual((error as EngineError).details.processors, ['bad'])
    }
    t.deepEqual(first && idsOf(await first.final()), [expectedIds([1, 2], 8)])
    t.deepEqual(second && idsOf(await second.final()), [forcedIds([1, 2], 8, 1)])
    t.true(isIdle(engine))
    t.deepEqual(idsOf(await engine.add(request([1, 2])).final()), [expectedIds([1, 2], 8)])
    await engine.close()
  })
}

test('a model that wrote NaN is not the fault of a processor, which is not even asked', async t => {
  let numCalls = 0
  const count: LogitsProcessor = () => {
    numCalls += 1
  }
  const onLogits = (row: Float32Array) => row.fill(Number.NaN)
  const { engine, request } = await createFakeEngine({ onLogits }, { logitsProcessors: { count } })
  const asked = { logitsProcessors: ['count'] }
  await t.throwsAsync(engine.add(request([1], asked)).final(), { code: 'ERR_RUNNER' } as object)
  t.is(numCalls, 0)
  await engine.close()
})

test('what a request may ask', async t => {
  const validate = (args: object) => {
    if (!('step' in args)) throw new TypeError('step is missing')
  }
  const logitsProcessors = { checked: { process: force, validate } }
  const { engine, request } = await createFakeEngine({}, { logitsProcessors })
  const refuse = (sampling: object, parameter: string, message: RegExp) => {
    const error = t.throws(() => engine.add(request([1], sampling)), { instanceOf: InvalidArgumentError, message })
    t.is((error as InvalidArgumentError).parameter, parameter)
  }
  refuse({ logitsProcessors: ['nobody'] }, 'logitsProcessors', /no logits processor `nobody`; this engine has checked/)
  refuse({ logitsProcessors: ['toString'] }, 'logitsProcessors', /no logits processor/)
  refuse({ logitsProcessors: 'checked' }, 'logitsProcessors', /list of the names/)
  refuse({ logitsProcessors: [''] }, 'logitsProcessors', /1 to 128/)
  refuse({ extraArgs: { step: () => 1 } }, 'extraArgs', /plain data/)
  refuse({ extraArgs: { step: Number.NaN } }, 'extraArgs', /plain data/)
  refuse({ extraArgs: { step: 1n } }, 'extraArgs', /plain data/)
  refuse({ extraArgs: { step: new Map() } }, 'extraArgs', /plain data/)
  refuse({ extraArgs: [1] }, 'extraArgs', /must be an object/)
  const cyclic: Record<string, unknown> = {}
  cyclic.step = cyclic
  refuse({ extraArgs: cyclic }, 'extraArgs', /32 deep/)
  refuse({ extraArgs: {} }, 'extraArgs', /`checked` refuses them: step is missing/)
  refuse({ logitsProcessors: ['checked'] }, 'extraArgs', /step is missing/)
  t.is(engine.numRequests, 0)
  await engine.close()
})

test('a validation that gives a promise is a failure of the processor', async t => {
  const validate = () => Promise.reject(new Error('late')) as unknown as undefined
  const { engine, request } = await createFakeEngine({}, { logitsProcessors: { slow: { process: force, validate } } })
  const asked = request([1], { logitsProcessors: ['slow'] })
  t.throws(() => engine.add(asked), { instanceOf: LogitsProcessorError, message: /gave a promise/ })
  await engine.close()
})

test('arguments are copied and frozen', t => {
  const given = { step: 4, list: [{ a: null }], none: undefined }
  const params = new SamplingParams({ extraArgs: given as object as Record<string, number> })
  given.step = 5
  t.deepEqual(params.with({ maxTokens: 3 }).extraArgs, { step: 4, list: [{ a: null }] })
  t.true(Object.isFrozen((params.extraArgs?.list as object[] | undefined)?.[0]))
})

test('what an engine may be made with', async t => {
  for (const [source, message] of [
    [7, /path or URL of a module/],
    ['', /path or URL of a module/],
    [{ process: 'x' }, /path or URL of a module/],
    [{ process: force, validate: 1 }, /path or URL of a module/],
  ] as const) {
    const options = { logitsProcessors: { wrong: source } } as unknown as CreateOptions
    const error = await t.throwsAsync(Engine.create(options), { instanceOf: InvalidArgumentError, message })
    t.is((error as InvalidArgumentError).parameter, 'logitsProcessors.wrong')
  }
  const inThread = Engine.create({ logitsProcessors: { ban: fixture('ban.mjs'), force } })
  const error = await t.throwsAsync(inThread, { instanceOf: InvalidArgumentError, message: /a thread of its own/ })
  t.is((error as InvalidArgumentError).parameter, 'logitsProcessors.force')
  for (const [path, message] of [
    ['no/such/module.mjs', /cannot be loaded/],
    [fixture('empty.mjs'), /must have as its default export/],
  ] as const) {
    for (const place of ['thread', 'inline'] as const) {
      const failure = Engine.create({ logitsProcessors: { broken: path } }, place)
      const thrown = await t.throwsAsync(failure, { instanceOf: LogitsProcessorError, message })
      t.is((thrown as EngineError).code, 'ERR_LOGITS_PROCESSOR')
    }
  }
})

test('modules: a loop in a thread of its own says what one in this thread says', async t => {
  const logitsProcessors = {
    ban: 'tests/fixtures/logits-processors/ban.mjs',
    fail: new URL(`file://${fixture('fail-at.mjs')}`),
  }
  const options = { numBlocks: 200, seed: 5, logitsProcessors }
  const apart = await Engine.create(options)
  const here = await Engine.create(options, 'inline')
  const [promptTokenIds] = (await apart.encode(['Once upon a time'], true)) as [Int32Array]
  let requests = 0
  const run = async (engine: Engine, sampling: SamplingOptions) => {
    const params = new SamplingParams({ temperature: 0.9, seed: 3, maxTokens: 24, ...sampling })
    requests += 1
    return engine.add({ requestId: `r${requests}`, promptTokenIds, params }).final()
  }
  const plain = idsOf(await run(here, {}))
  const ban = [...new Set(plain.flat().slice(0, 6))]
  for (const sampling of [
    {},
    { logitsProcessors: ['ban'], extraArgs: { ban } },
    { logitsProcessors: ['ban', 'fail'], extraArgs: { ban }, n: 3, logprobs: 2 },
  ]) {
    const outputs = await Promise.all([apart, here].map(engine => run(engine, sampling)))
    t.deepEqual(outputs[0] && idsOf(outputs[0]), outputs[1] && idsOf(outputs[1]))
    const banned = (outputs[0] as RequestOutput).outputs.some(({ tokenIds }) => tokenIds.some(id => ban.includes(id)))
    t.is(banned, !('logitsProcessors' in sampling))
  }
  for (const engine of [apart, here]) {
    const failing = t.throwsAsync(run(engine, { logitsProcessors: ['fail'], extraArgs: { failAt: 5 } }), {
      instanceOf: LogitsProcessorError,
      message: /`fail` threw: no token 5/,
    })
    t.deepEqual(idsOf(await run(engine, {})), plain)
    t.is(((await failing)?.cause as Error | undefined)?.message, 'no token 5')
    const refused = await t.throwsAsync(run(engine, { logitsProcessors: ['ban'] }), {
      instanceOf: InvalidArgumentError,
    })
    t.is((refused as InvalidArgumentError).parameter, 'extraArgs')
    await engine.close()
  }
})

test('a grammar holds: processors see its mask, and cannot lift it', async t => {
  const numPossible: number[] = []
  const first: LogitsProcessor = row => {
    numPossible.push(row.reduce((count, logit) => count + Number(logit > -Infinity), 0))
    row.fill(Number.POSITIVE_INFINITY)
  }
  const nothing: LogitsProcessor = row => void row.fill(-Infinity)
  await using llm = await LLM.create({ numBlocks: 100, logitsProcessors: { first, nothing } })
  const structuredOutputs = { regex: '(ab|cd){3}' }
  const params = { maxTokens: 24, structuredOutputs, logitsProcessors: ['first'] }
  const [plain, logged] = await llm.generate(['Once', 'Once'], [params, { ...params, logprobs: 1, n: 1 }])
  t.regex(plain?.outputs[0]?.text ?? '', /^(ab|cd){3}$/)
  // Nothing is taken undrawn, so that who asks for logprobs gets the same.
  t.deepEqual(plain && idsOf(plain), logged && idsOf(logged))
  t.true(numPossible.every(count => count > 0 && count < 20))
  const stuck = llm.generate('Once', { structuredOutputs, logitsProcessors: ['nothing'] })
  await t.throwsAsync(stuck, { instanceOf: LogitsProcessorError, message: /left no token/ })
})
