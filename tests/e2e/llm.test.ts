// The public API on the bundled model: prompts of every kind, batching by itself, streams, cancellation, closing.

import anyTest, { type TestFn } from 'ava'
import { LLM, type RequestOutput, SamplingParams } from 'quire-llm'
import { until } from '../server/served-engine.js'

const test = anyTest as TestFn<{ llm: LLM }>
const greedy = new SamplingParams({ temperature: 0, maxTokens: 24 })

test.before(async t => {
  t.context.llm = await LLM.create()
})
test.after.always(async t => {
  await t.context.llm?.close()
})

function textOf(output: RequestOutput | undefined): string {
  return output?.outputs[0]?.text ?? ''
}

test('a text, its ids and one of them with a salt continue alike', async t => {
  const { llm } = t.context
  const ids = await llm.tokenize('Once upon a time')
  const outputs = await llm.generate(
    [
      'Once upon a time',
      ids,
      Int32Array.from(ids),
      { prompt: 'Once upon a time', cacheSalt: 'mine' },
      { promptTokenIds: ids },
    ],
    greedy,
  )
  t.true(textOf(outputs[0]).length > 0)
  for (const output of outputs) {
    t.is(textOf(output), textOf(outputs[0]))
    t.deepEqual(Array.from(output.promptTokenIds), ids)
    t.true(output.finished)
  }
  t.is(outputs[0]?.prompt, 'Once upon a time')
})

test('one prompt gives one output, no prompts give none', async t => {
  const { llm } = t.context
  const output = await llm.generate('One day', greedy)
  t.deepEqual(output.outputs.length, 1)
  t.deepEqual(await llm.generate([], greedy), [])
})

test('messages become a prompt by the chat template', async t => {
  const { llm } = t.context
  const messages = [{ role: 'user', content: 'Hello!' }]
  const rendered = llm.applyChatTemplate(messages)
  t.true(rendered.includes('Hello!'))
  const chat = await llm.chat(messages, greedy)
  t.is(chat.prompt, rendered)
  const generated = await llm.generate({ messages }, greedy)
  t.is(textOf(generated), textOf(chat))
  const [first, second] = await llm.chat([messages, messages], greedy)
  t.is(textOf(first), textOf(chat))
  t.is(textOf(second), textOf(chat))
})

test('single calls made together run together', async t => {
  const { llm } = t.context
  const prompts = ['Once upon a time', 'One day', 'There was a', 'The little dog']
  const together = llm.generate(prompts, greedy)
  const before = llm.stats().numSteps
  const outputs = await Promise.all(prompts.map(prompt => llm.generate(prompt, { temperature: 0, maxTokens: 24 })))
  const steps = llm.stats().numSteps - before
  t.deepEqual(outputs.map(textOf), (await together).map(textOf))
  t.true(steps < 4 * 24, `${steps} steps for four times 24 tokens: they did not share steps`)
})

test('a seed makes a draw repeatable, whatever runs beside it', async t => {
  const { llm } = t.context
  const params = new SamplingParams({ temperature: 1, seed: 42, maxTokens: 24 })
  const alone = await llm.generate('Once upon a time', params)
  const crowd = await llm.generate(
    Array.from({ length: 16 }, (_, index) => `One day ${index}`).concat('Once upon a time'),
    Array.from({ length: 17 }, (_, index) => (index < 16 ? new SamplingParams({ maxTokens: 9 + index }) : params)),
  )
  t.is(textOf(crowd[16]), textOf(alone))
  const other = await llm.generate('Once upon a time', params.with({ seed: 43, maxTokens: 64 }))
  t.not(textOf(other), textOf(alone))
})

test('n continuations are child draws of seed, seed + 1, ...', async t => {
  const { llm } = t.context
  const params = new SamplingParams({ temperature: 1, seed: 5, maxTokens: 16 })
  const { outputs } = await llm.generate('Once upon a time', params.with({ n: 3 }))
  t.deepEqual(
    outputs.map(output => output.index),
    [0, 1, 2],
  )
  for (const { index, text } of outputs) {
    t.is(text, textOf(await llm.generate('Once upon a time', params.with({ seed: 5 + index }))))
  }
})

test('a stop string ends the text before it, or behind it', async t => {
  const { llm } = t.context
  const whole = textOf(await llm.generate('Once upon a time', greedy))
  const stop = whole.slice(9, 14)
  const { outputs } = await llm.generate('Once upon a time', greedy.with({ stop: ['never in a story', stop] }))
  t.is(outputs[0]?.text, whole.slice(0, whole.indexOf(stop)))
  t.is(outputs[0]?.finishReason, 'stop')
  t.is(outputs[0]?.stopReason, stop)
  const kept = await llm.generate('Once upon a time', greedy.with({ stop, includeStopStrInOutput: true }))
  t.is(textOf(kept), whole.slice(0, whole.indexOf(stop) + stop.length))
})

test('a stop id ends the output and stays in the ids', async t => {
  const { llm } = t.context
  const ids = (await llm.generate('Once upon a time', greedy)).outputs[0]?.tokenIds ?? []
  const stop = ids[6] as number
  const { outputs } = await llm.generate('Once upon a time', greedy.with({ stopTokenIds: [stop] }))
  t.deepEqual(outputs[0]?.tokenIds, ids.slice(0, ids.indexOf(stop) + 1))
  t.is(outputs[0]?.stopReason, stop)
})

test('a story ends by itself; ignoreEos goes on', async t => {
  const { llm } = t.context
  const story = await llm.generate('Once upon a time', { temperature: 0, maxTokens: null })
  t.is(story.outputs[0]?.finishReason, 'stop')
  t.is(story.outputs[0]?.stopReason, null)
  const length = story.outputs[0]?.tokenIds.length ?? 0
  const longer = await llm.generate('Once upon a time', { temperature: 0, maxTokens: length + 5, ignoreEos: true })
  t.is(longer.outputs[0]?.tokenIds.length, length + 5)
  t.is(longer.outputs[0]?.finishReason, 'length')
})

test('minTokens holds the end back', async t => {
  const { llm } = t.context
  const { outputs } = await llm.generate('Once upon a time', { temperature: 0, minTokens: 200, maxTokens: 200 })
  t.is(outputs[0]?.tokenIds.length, 200)
})

test('deltas of a stream join to the whole text', async t => {
  const { llm } = t.context
  let text = ''
  let ids: number[] = []
  for await (const delta of llm.stream('Once upon a time', greedy)) {
    text += textOf(delta)
    ids = ids.concat(Array.from(delta.outputs[0]?.tokenIds ?? []))
  }
  const whole = await llm.generate('Once upon a time', greedy)
  t.is(text, textOf(whole))
  t.deepEqual(ids, Array.from(whole.outputs[0]?.tokenIds ?? []))
})

test.serial('breaking a stream frees its request', async t => {
  const { llm } = t.context
  for await (const _ of llm.stream('Once upon a time', { maxTokens: 400, ignoreEos: true })) break
  await llm.generate('One day', { maxTokens: 2, temperature: 0 })
  t.is(llm.stats().numRunning, 0)
  t.is(llm.stats().numFreeBlocks, llm.cacheInfo.numBlocks - 1)
})

test.serial('a signal rejects with its reason and frees the request', async t => {
  const { llm } = t.context
  const reason = new Error('changed my mind')
  const controller = new AbortController()
  // Standing still, it cannot end before it is aborted.
  await llm.engine.pause('keep')
  const running = llm.generate(
    ['Once upon a time', 'One day'],
    { maxTokens: 400, ignoreEos: true },
    { signal: controller.signal },
  )
  await until('it is there', () => llm.engine.numRequests === 2)
  controller.abort(reason)
  const error = await t.throwsAsync(running, { code: 'ERR_ABORTED', name: 'AbortError' })
  t.is(error?.cause, reason)
  llm.engine.resume()
  await llm.generate('One day', { maxTokens: 2, temperature: 0 })
  t.is(llm.stats().numRunning, 0)
  await t.throwsAsync(llm.generate('One day', greedy, { signal: AbortSignal.abort(reason) }), { code: 'ERR_ABORTED' })
})

test('logprobs: the chosen id, then the likeliest, with ranks that agree', async t => {
  const { llm } = t.context
  const { outputs } = await llm.generate('Once upon a time', greedy.with({ logprobs: 3 }))
  const [completion] = outputs
  t.is(completion?.logprobs?.length ?? -1, completion?.tokenIds.length ?? 0)
  let sum = 0
  for (const [position, entry] of (completion?.logprobs ?? []).entries()) {
    t.is(entry.tokenId, completion?.tokenIds[position] ?? -1)
    t.is(entry.rank, 1)
    t.true(entry.top.length >= 3)
    sum += entry.logprob
  }
  t.true(Math.abs(sum - (completion?.cumulativeLogprob ?? 0)) < 1e-4)
})

test('a list of parameters must be as long as the prompts', async t => {
  await t.throwsAsync(t.context.llm.generate(['a', 'b'], [greedy]), {
    code: 'ERR_INVALID_ARGUMENT',
    message: /2 prompts but 1/,
  })
})

test('metrics are in order', async t => {
  const { metrics } = await t.context.llm.generate('Once upon a time', greedy)
  const moments = [metrics.arrivalMs, metrics.firstScheduledMs, metrics.firstTokenMs, metrics.lastTokenMs].map(Number)
  t.deepEqual(
    moments,
    moments.toSorted((a, b) => a - b),
  )
  t.true(moments.every(moment => moment > 0))
})

test('a thousand prompts at once, in order', async t => {
  const { llm } = t.context
  const prompts = Array.from({ length: 1000 }, (_, index) => `Once upon a time ${index}`)
  const outputs = await llm.generate(prompts, { temperature: 0, maxTokens: 3 }, { progress: false })
  t.deepEqual(
    outputs.map(output => output.prompt),
    prompts,
  )
})

test('closing aborts what runs; later calls are refused', async t => {
  const llm = await LLM.create()
  await llm.engine.pause('keep')
  const running = llm.generate('Once upon a time', { maxTokens: 400, ignoreEos: true })
  const refused = t.throwsAsync(running, { code: 'ERR_CLOSED' })
  await until('it is there', () => llm.engine.numRequests === 1)
  await llm.close()
  await refused
  await t.throwsAsync(llm.generate('One day'), { code: 'ERR_CLOSED' })
  await llm.close()
})

test('two engines live side by side', async t => {
  await using other = await LLM.create({ maxModelLen: 128, blockSize: 8 })
  const [mine, theirs] = await Promise.all([
    t.context.llm.generate('One day', greedy),
    other.generate('One day', greedy),
  ])
  t.is(textOf(mine), textOf(theirs))
})
