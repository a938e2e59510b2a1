// Requests with structured outputs in one engine: each kind, company, seeds, ends, limits of room, aborts and errors.

import anyTest, { type TestFn } from 'ava'
import {
  type CompletionOutput,
  Engine,
  type EngineError,
  type ErrorCode,
  GrammarError,
  LLM,
  type RequestOutput,
  type SamplingOptions,
  type StructuredOutputs,
} from 'quire-llm'
import { createFakeEngine } from '../engine/fake-plugin.js'

const test = anyTest as TestFn<{ llm: LLM }>
const prompt = 'Once upon a time'

test.before(async t => {
  t.context.llm = await LLM.create()
})
test.after.always(t => t.context.llm?.close())

const person: StructuredOutputs = {
  json: {
    type: 'object',
    properties: {
      firstName: { type: 'string', maxLength: 12 },
      age: { type: 'integer', minimum: 0, maximum: 120 },
      kind: { enum: ['a rather long name', 'another name', 'third'] },
    },
    required: ['firstName', 'age', 'kind'],
    additionalProperties: false,
  },
  disableAnyWhitespace: true,
}

const tag = {
  type: 'structural_tag',
  format: {
    type: 'tag',
    begin: '<call>',
    content: { type: 'json_schema', json_schema: { type: 'integer', maximum: 99, minimum: 0 } },
    end: '</call>',
  },
}

const rows: readonly [string, StructuredOutputs, (text: string) => boolean][] = [
  ['json', person, text => Number.isInteger((JSON.parse(text) as { age: number }).age)],
  ['json as text', { json: '{"type":"boolean"}' }, text => /^\s*(true|false)\s*$/.test(text)],
  ['regex', { regex: '[a-f]{3}-\\d{2,4}' }, text => /^[a-f]{3}-\d{2,4}$/u.test(text)],
  ['choice', { choice: ['yes', 'no', 'yes and no'] }, text => ['yes', 'no', 'yes and no'].includes(text)],
  ['gbnf', { grammar: 'root ::= "(" root ")" | [xy]' }, text => /^(\(*)[xy](\)*)$/.test(text)],
  [
    'lark',
    { grammar: 'start: NAME ("," NAME)~0..2\nNAME: /[a-c]{1,3}/' },
    text => /^[a-c]{1,3}(,[a-c]{1,3}){0,2}$/.test(text),
  ],
  ['structural tag', { structuralTag: tag }, text => /^<call>\s*\d{1,2}\s*<\/call>$/.test(text)],
]

const one = (output: RequestOutput): CompletionOutput => output.outputs[0] as CompletionOutput
const idle = (llm: LLM) => {
  const { numRunning, numWaiting, numFreeBlocks, numUsableBlocks } = llm.stats()
  return numRunning === 0 && numWaiting === 0 && numFreeBlocks === numUsableBlocks
}

for (const [name, structuredOutputs, isValid] of rows) {
  test.serial(`${name}: what ends is as asked`, async t => {
    const { llm } = t.context
    let ended = 0
    const params = Array.from({ length: 24 }, (_, seed) => ({ seed, maxTokens: 96, structuredOutputs }))
    for (const output of await llm.generate(
      params.map(() => prompt),
      params,
      { progress: false },
    )) {
      const { text, finishReason } = one(output)
      if (finishReason !== 'stop') continue
      ended += 1
      t.true(isValid(text), text)
    }
    t.true(ended > 0)
    t.true(idle(llm))
  })
}

test.serial('alone and in company, with and without grammars, each says the same', async t => {
  const { llm } = t.context
  const requests: SamplingOptions[] = [
    ...rows.map(([, structuredOutputs], seed) => ({ seed, structuredOutputs })),
    ...rows.map(([, structuredOutputs], seed) => ({ seed: seed + 50, n: 3, structuredOutputs, topP: 0.9 })),
    { seed: 5 },
    { temperature: 0 },
    { temperature: 0, structuredOutputs: person },
    { seed: 9, structuredOutputs: person, presencePenalty: 1, logprobs: 2 },
  ]
  const params = requests.map(request => ({ maxTokens: 48, ...request }))
  const alone = []
  for (const each of params) alone.push(await llm.generate(prompt, each))
  const together = await llm.generate(
    params.map(() => prompt),
    params,
    { progress: false },
  )
  for (const [index, output] of together.entries()) {
    const texts = ({ outputs }: RequestOutput) =>
      outputs.map(({ text, tokenIds, finishReason }) => ({ text, tokenIds, finishReason }))
    t.deepEqual(texts(output), texts(alone[index] as RequestOutput), JSON.stringify(requests[index]))
  }
  t.true(idle(llm))
})

test.serial('forced tokens change nothing but the number of steps', async t => {
  const { llm } = t.context
  for (let seed = 0; seed < 8; seed += 1) {
    const params = { seed, maxTokens: 96, structuredOutputs: person }
    const before = llm.stats().numSteps
    const forced = one(await llm.generate(prompt, params))
    const between = llm.stats().numSteps
    // Who asks for logprobs has every token drawn.
    const drawn = one(await llm.generate(prompt, { ...params, logprobs: 0 }))
    const after = llm.stats().numSteps
    t.is(forced.text, drawn.text)
    t.deepEqual(forced.tokenIds, drawn.tokenIds)
    t.is(drawn.logprobs?.length, drawn.tokenIds.length)
    t.true(between - before < after - between, `${between - before} and ${after - between} steps`)
  }
})

test.serial('maxTokens, stop strings and stop ids end a structured output too', async t => {
  const { llm } = t.context
  const base = { seed: 1, structuredOutputs: person, maxTokens: 96 }
  const whole = one(await llm.generate(prompt, base))
  for (const maxTokens of [1, 2, 5, 9]) {
    const cut = one(await llm.generate(prompt, { ...base, maxTokens }))
    t.is(cut.finishReason, 'length')
    t.deepEqual(cut.tokenIds, whole.tokenIds.slice(0, maxTokens))
  }
  const stopped = one(await llm.generate(prompt, { ...base, stop: ['"age"'] }))
  t.is(stopped.stopReason, '"age"')
  t.is(stopped.text, whole.text.slice(0, whole.text.indexOf('"age"')))
  const id = whole.tokenIds[6] as number
  const byId = one(await llm.generate(prompt, { ...base, stopTokenIds: [id] }))
  t.is(byId.stopReason, id)
  t.deepEqual(byId.tokenIds, whole.tokenIds.slice(0, whole.tokenIds.indexOf(id) + 1))
})

test.serial('the end of a grammar is the end, whatever is said of end tokens', async t => {
  const { llm } = t.context
  const structuredOutputs = { choice: ['yes'] }
  for (const options of [{}, { ignoreEos: true }, { minTokens: 40 }, { ignoreEos: true, logprobs: 1 }]) {
    const { text, finishReason, stopReason } = one(
      await llm.generate(prompt, { maxTokens: 64, structuredOutputs, ...options }),
    )
    t.deepEqual(
      { text, finishReason, stopReason },
      { text: 'yes', finishReason: 'stop', stopReason: null },
      JSON.stringify(options),
    )
  }
})

test.serial('preempted and found in the cache, outputs stay the same', async t => {
  const params = Array.from({ length: 10 }, (_, seed) => ({ seed, maxTokens: 64, structuredOutputs: person }))
  const prompts = params.map((_, index) => `${prompt} there were ${index} small cats who lived in a house by the sea`)
  const roomy = await t.context.llm.generate(prompts, params, { progress: false })
  await using tight = await LLM.create({ blockSize: 8, numBlocks: 24, maxModelLen: 128 })
  const squeezed = await tight.generate(prompts, params, { progress: false })
  t.true(tight.stats().numPreemptions > 0)
  const again = await tight.generate(prompts, params, { progress: false })
  for (const outputs of [squeezed, again])
    t.deepEqual(
      outputs.map(output => one(output).text),
      roomy.map(output => one(output).text),
    )
  // What is left of the cache by then is a matter of who was squeezed out; of a prompt that came last nothing is lost.
  const [last = ''] = prompts
  const before = one(await tight.generate(last, params[0]))
  const { prefixCacheHits } = tight.stats()
  t.is(one(await tight.generate(last, params[0])).text, before.text)
  t.true(tight.stats().prefixCacheHits > prefixCacheHits)
  t.is(before.text, one(roomy[0] as RequestOutput).text)
  t.true(idle(tight))
})

test.serial('a grammar that is wrong, or stuck, ends its own request only', async t => {
  const { llm } = t.context
  const refused: readonly [SamplingOptions, ErrorCode, string | null][] = [
    [
      { structuredOutputs: { json: { properties: { a: { uniqueItems: true } } } } },
      'ERR_GRAMMAR_UNSUPPORTED',
      'uniqueItems',
    ],
    [{ structuredOutputs: { json: '{' } }, 'ERR_GRAMMAR_INVALID', null],
    [{ structuredOutputs: { regex: '(?<=a)b' } }, 'ERR_GRAMMAR_UNSUPPORTED', 'the assertion (?<=...)'],
    [{ structuredOutputs: { regex: '(' } }, 'ERR_GRAMMAR_INVALID', null],
    [{ structuredOutputs: { grammar: 'root ::= nobody' } }, 'ERR_GRAMMAR_INVALID', null],
    [
      { structuredOutputs: { json: { enum: Array.from({ length: 20_000 }, (_, index) => index) } } },
      'ERR_GRAMMAR_TOO_COMPLEX',
      null,
    ],
    [{ structuredOutputs: { regex: 'abc' }, allowedTokenIds: [5, 6] }, 'ERR_GRAMMAR_STUCK', null],
  ]
  const fine = llm.generate(prompt, { seed: 4, maxTokens: 64, structuredOutputs: person })
  const results = await Promise.allSettled(refused.map(([params]) => llm.generate(prompt, params)))
  for (const [index, result] of results.entries()) {
    const [, code, keyword] = refused[index] as (typeof refused)[number]
    t.is(result.status, 'rejected')
    const { reason } = result as PromiseRejectedResult
    t.true(reason instanceof GrammarError, String(reason))
    t.is((reason as GrammarError).code, code)
    t.is((reason as GrammarError).details.keyword, keyword)
  }
  t.is(one(await fine).finishReason, 'stop')
  t.true(idle(llm))
})

test.serial('an abort, before the grammar is compiled or between steps, leaves nothing', async t => {
  const { llm } = t.context
  for (const wait of [0, 1, 5, 20]) {
    const controller = new AbortController()
    const json = { type: 'array', items: { type: 'string' }, minItems: 50, description: String(wait) }
    const running = llm.generate(prompt, { maxTokens: 400, structuredOutputs: { json } }, { signal: controller.signal })
    const ended = t.throwsAsync(running, { code: 'ERR_ABORTED' })
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
    controller.abort()
    await ended
  }
  // Whatever was on its way is forgotten with the next request.
  await llm.generate(prompt, { maxTokens: 2 })
  t.true(idle(llm))
})

test.serial('an engine whose loop has a thread of its own', async t => {
  await using engine = await Engine.create()
  const collect = async (params: SamplingOptions) => {
    let text = ''
    for await (const output of engine.generate({ prompt, params: { ...params, outputKind: 'delta' } }))
      text += one(output).text
    return text
  }
  const params = { seed: 2, maxTokens: 64, structuredOutputs: person }
  t.is(await collect(params), one(await t.context.llm.generate(prompt, params)).text)
  const error = await t.throwsAsync(collect({ structuredOutputs: { json: { not: { multipleOf: 3 } } } }))
  t.true(error instanceof GrammarError)
  t.is((error as EngineError).details.keyword, 'not')
})

test.serial('a model without an end token, whose runner would draw by itself', async t => {
  const { engine, request } = await createFakeEngine({ vocabSize: 2048, deviceSampling: true }, { loadTokenizer: true })
  const choice = ['first of all', 'second']
  const [constrained, free] = await Promise.all([
    engine.add(request([40, 41], { maxTokens: 40, structuredOutputs: { choice } })).final(),
    engine.add(request([40, 41], { maxTokens: 8 })).final(),
  ])
  t.true(choice.includes(one(constrained).text), one(constrained).text)
  t.is(one(constrained).finishReason, 'stop')
  t.is(one(free).tokenIds.length, 8)
  await engine.close()
  const { engine: bare, request: bareRequest } = await createFakeEngine()
  t.throws(() => bare.add(bareRequest([1], { structuredOutputs: { choice } })), {
    code: 'ERR_INVALID_ARGUMENT',
  } as object)
  await bare.close()
})
