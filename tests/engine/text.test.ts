// Text on its way out of the engine, with the bundled model's tokenizer and a runner that says something else each time.

import anyTest, { type TestFn } from 'ava'
import type { SamplingOptions } from '../../ts/src/config/index.js'
import type { CompletionOutput, RequestOutput } from '../../ts/src/engine/index.js'
import { createFakeEngine, type FakeEngine } from './fake-plugin.js'

const VOCABULARY = 2048
const prompt = [40, 41, 42]

const test = anyTest as TestFn<{ fake: FakeEngine; plain: CompletionOutput }>

const run = async ({ engine, request }: FakeEngine, options: SamplingOptions): Promise<CompletionOutput> => {
  const output = await engine.add(request(prompt, { maxTokens: 24, ...options })).final()
  return output.outputs[0] as CompletionOutput
}

test.before(async t => {
  t.context.fake = await createFakeEngine({ vocabSize: VOCABULARY }, { loadTokenizer: true })
  t.context.plain = await run(t.context.fake, {})
})
test.after.always(t => t.context.fake?.engine.close())

test.serial('text is what the ids say', t => {
  const { fake, plain } = t.context
  t.is(plain.tokenIds.length, 24)
  const whole = fake.engine.decode([...prompt, ...plain.tokenIds])
  t.is(plain.text, whole.slice(fake.engine.decode(prompt).length))
})

test.serial('deltas of text add up, also with stop strings that hold text back', async t => {
  const { fake, plain } = t.context
  for (const stop of [[], ['no such text'], [plain.text.slice(-3)]]) {
    let text = ''
    let last: RequestOutput | undefined
    for await (const output of fake.engine.add(
      fake.request(prompt, { maxTokens: 24, stop, outputKind: 'delta', includeStopStrInOutput: true }),
    )) {
      text += output.outputs[0]?.text ?? ''
      last = output
    }
    t.true(last?.finished)
    t.is(text, (await run(fake, { stop, includeStopStrInOutput: true })).text)
  }
})

test.serial('a stop string ends the text where it begins, and the sequence in the core', async t => {
  const { fake, plain } = t.context
  const middle = Math.floor(plain.text.length / 2)
  const stop = plain.text.slice(middle, middle + 4)
  const at = plain.text.indexOf(stop)
  const cut = await run(fake, { stop: ['no such text', stop], maxTokens: 200 })
  t.like(cut, { text: plain.text.slice(0, at), finishReason: 'stop', stopReason: stop })
  t.true(cut.tokenIds.length < plain.tokenIds.length)
  t.deepEqual(cut.tokenIds, plain.tokenIds.slice(0, cut.tokenIds.length))
  const kept = await run(fake, { stop, includeStopStrInOutput: true })
  t.is(kept.text, plain.text.slice(0, at + stop.length))
  t.is(fake.engine.stats().numRunning, 0)
})

test.serial('the text of a stop id is left out, its id is not', async t => {
  const { fake, plain } = t.context
  const stopId = plain.tokenIds[5] as number
  const ended = await run(fake, { stopTokenIds: [stopId] })
  t.like(ended, { finishReason: 'stop', stopReason: stopId })
  t.is(ended.tokenIds.at(-1), stopId)
  t.is(
    ended.text,
    fake.engine.decode([...prompt, ...ended.tokenIds.slice(0, -1)]).slice(fake.engine.decode(prompt).length),
  )
})

test.serial('without detokenize there are ids only', async t => {
  const { fake, plain } = t.context
  t.like(await run(fake, { detokenize: false }), { text: '', tokenIds: plain.tokenIds, finishReason: 'length' })
})

test.serial('logprobs carry the text of each id; a word that is bad is never said', async t => {
  const { fake, plain } = t.context
  const told = await run(fake, { logprobs: 1 })
  t.deepEqual(told.tokenIds, plain.tokenIds)
  t.is((told.logprobs ?? []).length, 24)
  t.true((told.logprobs ?? []).some(({ decodedToken }) => decodedToken !== '' && plain.text.includes(decodedToken)))
  const said = plain.tokenIds.map(id => fake.engine.decode([id]))
  const encoded = await fake.engine.encode(said, false)
  const [bad] = said.filter((word, index) => /^[a-z]+$/.test(word) && encoded[index]?.length === 1)
  const badId = plain.tokenIds[said.indexOf(bad as string)]
  const avoided = await run(fake, { badWords: [bad as string] })
  t.false(avoided.tokenIds.includes(badId as number))
})

test.serial('a conversation becomes a prompt by the template', t => {
  const { engine } = t.context.fake
  const messages = [{ role: 'user', content: 'Hello' }]
  const rendered = engine.renderChat(messages, {})
  t.true(rendered.includes('Hello'))
  t.true(rendered.startsWith(engine.renderChat(messages, { addGenerationPrompt: false })))
  t.is(engine.renderChat(messages, { chatTemplate: '{{ messages[0].content }}!' }), 'Hello!')
  t.is(engine.renderChat(messages, { chatTemplate: '{{ mood }}', chatTemplateKwargs: { mood: 'glad' } }), 'glad')
  t.throws(() => engine.renderChat(messages, { chatTemplate: '{% if %}' }), { code: 'ERR_CHAT_TEMPLATE' } as object)
  t.throws(() => engine.renderChat(messages, { chatTemplate: "{{ raise_exception('no') }}" }), {
    code: 'ERR_CHAT_TEMPLATE',
    message: /no/,
  } as object)
})

test.serial('many texts become ids in one call', async t => {
  const { engine } = t.context.fake
  const texts = ['Once upon a time', '', 'a', 'Tom and Mia']
  const ids = await engine.encode(texts, false)
  t.deepEqual(
    ids.map(one => engine.decode(one)),
    texts,
  )
})
