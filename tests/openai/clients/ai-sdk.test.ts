// The packages `ai` and `@ai-sdk/openai-compatible` on a real socket: text, streams, objects, tools, aborts, errors.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateObject, generateText, stepCountIs, streamText, tool } from 'ai'
import test from 'ava'
import { z } from 'zod'
import { allFree, listen } from '../test-server.js'

const server = await listen({ promptTokensDetails: true })
const provider = createOpenAICompatible({
  name: 'quire',
  baseURL: server.baseUrl,
  includeUsage: true,
  supportsStructuredOutputs: true,
})
const model = provider('quire')
const once = { maxRetries: 0, temperature: 0 }
test.after.always(() => server.close())

const Weather = z.object({ city: z.enum(['Ulm', 'Bonn']), degrees: z.int().min(0).max(9) })

test('text', async t => {
  const { text, finishReason, usage } = await generateText({ ...once, model, prompt: 'Hello', maxOutputTokens: 5 })
  t.true(text.startsWith('Hello'))
  t.is(finishReason, 'length')
  t.is(usage.outputTokens, 5)
  t.is(usage.inputTokens, 5)
})

test('streamed text says what the whole text says', async t => {
  const { text } = await generateText({ ...once, model, prompt: 'Tell me a story.', maxOutputTokens: 40 })
  const result = streamText({ ...once, model, prompt: 'Tell me a story.', maxOutputTokens: 40 })
  let streamed = ''
  for await (const delta of result.textStream) streamed += delta
  t.is(streamed, text)
  t.is((await result.usage).outputTokens, 40)
  t.is(await result.finishReason, 'length')
})

test('the completion model', async t => {
  const { text } = await generateText({
    ...once,
    model: provider.completionModel('quire'),
    prompt: 'Once upon a time',
    maxOutputTokens: 6,
  })
  t.true(text.length > 5)
})

test('an object of a schema', async t => {
  const { object } = await generateObject({ ...once, model, schema: Weather, prompt: 'Hello', maxOutputTokens: 60 })
  t.true(Weather.safeParse(object).success)
})

test('a tool that must be called, its answer, and what follows', async t => {
  const called: unknown[] = []
  const weather = tool({
    description: 'The weather of a city.',
    inputSchema: Weather,
    execute: given => {
      called.push(given)
      return 'sunny'
    },
  })
  const { steps } = await generateText({
    ...once,
    model,
    prompt: 'Hello',
    tools: { weather },
    maxOutputTokens: 80,
    stopWhen: stepCountIs(2),
    prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }),
  })
  t.is(called.length, 1)
  t.true(Weather.safeParse(called[0]).success)
  t.deepEqual(
    steps.map(({ finishReason }) => finishReason === 'tool-calls'),
    [true, false],
  )
  const streamed = streamText({
    ...once,
    model,
    prompt: 'Hello',
    tools: { weather },
    toolChoice: 'required',
    maxOutputTokens: 80,
  })
  const calls = await streamed.toolCalls
  t.deepEqual(
    calls.map(({ input }) => input),
    [called[0]],
  )
})

test('errors have their status', async t => {
  const missing = await t.throwsAsync(generateText({ ...once, model: provider('gpt-4'), prompt: 'Hello' }))
  t.true(APICallError.isInstance(missing))
  t.is((missing as APICallError).statusCode, 404)
  t.false((missing as APICallError).isRetryable)
  const wrong = await t.throwsAsync(generateText({ ...once, model, prompt: 'Hello', topP: 4 }))
  t.is((wrong as APICallError).statusCode, 400)
  t.regex((wrong as APICallError).message, /top_p/)
})

test('64 at once', async t => {
  const texts = await Promise.all(
    Array.from({ length: 64 }, async () => {
      const result = streamText({ ...once, model, prompt: 'Tell me a story.', maxOutputTokens: 16 })
      return result.text
    }),
  )
  t.is(new Set(texts).size, 1)
  t.true((texts[0] as string).length > 20)
})

test.serial('a stream that is aborted in the middle frees its blocks', async t => {
  const controller = new AbortController()
  const result = streamText({
    ...once,
    model,
    prompt: 'Tell me a story.',
    abortSignal: controller.signal,
    providerOptions: { quire: { ignore_eos: true } },
    onError: () => {},
  })
  for await (const part of result.fullStream) {
    if (part.type === 'text-delta') controller.abort()
  }
  t.true(await allFree(server.engine))
})
