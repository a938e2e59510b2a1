// The package `@anthropic-ai/sdk` on a real socket: plain, streamed, its helper, tools, cancelled in the middle, 64 at once,
// errors.

import Anthropic, { BadRequestError, NotFoundError } from '@anthropic-ai/sdk'
import test from 'ava'
import { allFree, listen } from '../test-server.js'

const server = await listen()
const client = new Anthropic({ baseURL: server.baseUrl.replace(/\/v1$/, ''), apiKey: 'none', maxRetries: 0 })
test.after.always(() => server.close())

const ask = {
  model: 'quire',
  max_tokens: 16,
  temperature: 0,
  messages: [{ role: 'user' as const, content: 'Tell me a story.' }],
}

function textOf(message: Anthropic.Message): string {
  return message.content.map(block => (block.type === 'text' ? block.text : '')).join('')
}

test('a message, and a streamed one', async t => {
  const whole = await client.messages.create(ask)
  t.is(whole.stop_reason, 'max_tokens')
  t.true(textOf(whole).length > 5)
  const stream = client.messages.stream(ask)
  let text = ''
  stream.on('text', delta => {
    text += delta
  })
  const final = await stream.finalMessage()
  t.is(text, textOf(whole))
  t.is(textOf(final), text)
  t.deepEqual(final.usage.output_tokens, whole.usage.output_tokens)
})

test('tokens are counted', async t => {
  const { input_tokens: counted } = await client.messages.countTokens({ model: 'quire', messages: ask.messages })
  t.is(counted, (await client.messages.create(ask)).usage.input_tokens)
})

test('a tool round: any tool, its input, its result', async t => {
  const tools: Anthropic.Tool[] = [
    {
      name: 'add',
      input_schema: { type: 'object', properties: { a: { type: 'integer', minimum: 1, maximum: 9 } }, required: ['a'] },
    },
  ]
  const stream = client.messages.stream({ ...ask, max_tokens: 120, tools, tool_choice: { type: 'any' } })
  const message = await stream.finalMessage()
  const call = message.content.find(block => block.type === 'tool_use')
  t.is(call?.name, 'add')
  t.true(Number.isInteger((call?.input as { a?: unknown } | undefined)?.a))
  t.is(message.stop_reason, 'tool_use')
  const messages: Anthropic.MessageParam[] = [
    ...ask.messages,
    { role: 'assistant', content: message.content },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: call?.id ?? '', content: '3' }] },
  ]
  t.is((await client.messages.create({ ...ask, messages, tools })).role, 'assistant')
})

test('cancelled in the middle: every block is free', async t => {
  const stream = client.messages.stream({ ...ask, max_tokens: 400 })
  stream.on('text', () => stream.abort())
  await t.throwsAsync(stream.finalMessage())
  t.true(await allFree(server.engine))
})

test('64 at once are 64 times the same', async t => {
  const all = await Promise.all(Array.from({ length: 64 }, () => client.messages.create(ask)))
  t.is(new Set(all.map(textOf)).size, 1)
})

test('errors have their classes', async t => {
  await t.throwsAsync(client.messages.create({ ...ask, model: 'claude' }), { instanceOf: NotFoundError })
  const error = await t.throwsAsync(client.messages.create({ ...ask, max_tokens: 0 }), { instanceOf: BadRequestError })
  t.regex(error?.message ?? '', /max_tokens/)
})
