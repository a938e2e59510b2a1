// The package `@llamaindex/openai` on a real socket: chats, streams, tools, aborts, errors.

import { OpenAI } from '@llamaindex/openai'
import test from 'ava'
import { allFree, listen } from '../test-server.js'

const server = await listen()
test.after.always(() => server.close())

const common = { apiKey: 'none', baseURL: server.baseUrl, maxRetries: 0, temperature: 0 }
const llm = new OpenAI({ ...common, model: 'quire', maxTokens: 8 })
const messages = [{ role: 'user' as const, content: 'Hello' }]

test('a chat', async t => {
  const { message } = await llm.chat({ messages })
  t.is(message.role, 'assistant')
  t.true(String(message.content).startsWith('Hello'))
})

test('a streamed chat says what the whole one says', async t => {
  const { message } = await llm.chat({ messages })
  let text = ''
  for await (const chunk of await llm.chat({ messages, stream: true })) text += chunk.delta
  t.is(text, String(message.content))
})

test('a completion of a prompt', async t => {
  const { text } = await llm.complete({ prompt: 'Hello' })
  t.true(text.length > 0)
})

test('errors have their status and code', async t => {
  const other = new OpenAI({ ...common, model: 'gpt-4' })
  t.like(await t.throwsAsync(other.chat({ messages }), { any: true }), { status: 404, code: 'model_not_found' })
})

test('64 at once', async t => {
  const replies = await Promise.all(Array.from({ length: 64 }, () => llm.chat({ messages })))
  t.is(new Set(replies.map(({ message }) => message.content)).size, 1)
})

test.serial('a stream that is left in the middle frees its blocks', async t => {
  const long = new OpenAI({ ...common, model: 'quire', additionalChatOptions: { ignore_eos: true } as object })
  for await (const chunk of await long.chat({ messages, stream: true })) {
    if (chunk.delta !== '') break
  }
  t.true(await allFree(server.engine))
})
