// The package `@langchain/openai` on a real socket: messages, streams, objects, tools, aborts, errors.

import { ChatOpenAI, OpenAI } from '@langchain/openai'
import test from 'ava'
import { z } from 'zod'
import { allFree, leftInTheMiddle, listen } from '../test-server.js'

const server = await listen()
test.after.always(() => server.close())

const common = {
  model: 'quire',
  apiKey: 'none',
  maxRetries: 0,
  temperature: 0,
  configuration: { baseURL: server.baseUrl },
}
const chat = new ChatOpenAI({ ...common, maxTokens: 8 })

const Weather = z.object({ city: z.enum(['Ulm', 'Bonn']), degrees: z.int().min(0).max(9) })

test('a message', async t => {
  const message = await chat.invoke('Hello')
  t.true(String(message.content).startsWith('Hello'))
  t.is(message.usage_metadata?.output_tokens, 8)
  t.is(message.response_metadata.finish_reason, 'length')
})

test('a streamed message says what the whole one says', async t => {
  const whole = await chat.invoke('Hello')
  let text = ''
  let tokens = 0
  for await (const chunk of await chat.stream('Hello')) {
    text += String(chunk.content)
    tokens += chunk.usage_metadata?.output_tokens ?? 0
  }
  t.is(text, String(whole.content))
  t.is(tokens, 8)
})

test('the completion model', async t => {
  const text = await new OpenAI({ ...common, maxTokens: 6 }).invoke('Once upon a time')
  t.true(text.length > 5)
})

test('roles of a conversation', async t => {
  const message = await chat.invoke([
    ['system', 'Be kind.'],
    ['human', 'Hello'],
    ['ai', 'Hi!'],
    ['human', 'Hello'],
  ])
  t.true(String(message.content).length > 0)
})

test('an object of a schema', async t => {
  const structured = new ChatOpenAI({ ...common, maxTokens: 60 }).withStructuredOutput(Weather, {
    method: 'jsonSchema',
  })
  t.true(Weather.safeParse(await structured.invoke('Hello')).success)
})

test('a tool that must be called', async t => {
  const tools = [{ name: 'weather', description: 'The weather of a city.', schema: Weather }]
  const bound = new ChatOpenAI({ ...common, maxTokens: 80 }).bindTools(tools, { tool_choice: 'required' })
  const message = await bound.invoke('Hello')
  t.is(message.tool_calls?.length, 1)
  t.is(message.tool_calls?.[0]?.name, 'weather')
  t.true(Weather.safeParse(message.tool_calls?.[0]?.args).success)
})

test('errors have their status and code', async t => {
  const other = new ChatOpenAI({ ...common, model: 'gpt-4' })
  const missing = await t.throwsAsync(other.invoke('Hello'), { any: true })
  t.like(missing, { status: 404, code: 'model_not_found' })
  const wrong = new ChatOpenAI({ ...common, topP: 4 })
  t.like(await t.throwsAsync(wrong.invoke('Hello'), { any: true }), { status: 400, param: 'top_p' })
})

test('64 at once', async t => {
  const messages = await chat.batch(Array.from({ length: 64 }, () => 'Hello'))
  t.is(new Set(messages.map(({ content }) => content)).size, 1)
})

test.serial('a stream that is left in the middle frees its blocks', async t => {
  const long = new ChatOpenAI({ ...common, modelKwargs: { ignore_eos: true } })
  for await (const chunk of await long.stream('Tell me a story.')) {
    if (String(chunk.content) !== '') break
  }
  t.true(await allFree(server.engine))
})

test.serial('an aborted call frees its blocks', async t => {
  const long = new ChatOpenAI({ ...common, modelKwargs: { ignore_eos: true } })
  const reply = leftInTheMiddle(server.engine, signal => long.invoke('Tell me a story.', { signal }))
  await t.throwsAsync(reply, { any: true })
  t.true(await allFree(server.engine))
})
