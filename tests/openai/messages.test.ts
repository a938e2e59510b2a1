// /v1/messages: rules a row each, blocks of every kind, and streams that say what whole replies say.

import test from 'ava'
import { TestHandler } from './test-server.js'

const server = await TestHandler.create()
test.after.always(() => server.engine.close())

const hello = {
  model: 'quire',
  max_tokens: 12,
  temperature: 0,
  messages: [{ role: 'user', content: 'Tell me a story.' }],
}
const weather = {
  name: 'weather',
  description: 'Tells the weather.',
  // Nothing else: how much more a model would add is decided by its last bits, which instruction sets differ in.
  input_schema: {
    type: 'object',
    properties: { city: { enum: ['Rome', 'Oslo'] } },
    required: ['city'],
    additionalProperties: false,
  },
}

const answer = { type: 'json_schema', schema: weather.input_schema }

const refused: readonly [string, object, RegExp][] = [
  ['without max_tokens', { max_tokens: undefined }, /max_tokens is missing/],
  ['no messages', { messages: [] }, /messages/],
  ['a role that is none', { messages: [{ role: 'tool', content: 'x' }] }, /role/],
  ['an image', { messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] }, /content\[0\].*text only/],
  ['a result without its call', { messages: [{ role: 'user', content: [{ type: 'tool_result' }] }] }, /tool_use_id/],
  ['a call without input', { messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 'a' }] }] }, /tool_use/],
  ['a tool of the server', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, /no tools of its own/],
  ['any tool of none', { tool_choice: { type: 'any' } }, /needs tools/],
  ['a tool that is not there', { tools: [weather], tool_choice: { type: 'tool', name: 'x' } }, /none of the tools/],
  [
    'a format without a schema',
    { output_config: { format: { type: 'json_schema' } } },
    /output_config\.format\.schema/,
  ],
  ['a format that is none', { output_config: { format: { type: 'xml', schema: {} } } }, /output_config\.format\.type/],
  ['a schema that cannot be', { output_format: { type: 'json_schema', schema: { type: 'x' } } }, /type/],
  [
    'two formats',
    { output_config: { format: answer }, output_format: answer },
    /output_config\.format and output_format/,
  ],
  ['an effort that is none', { output_config: { effort: 'most' } }, /output_config\.effort/],
  ['top_p of 0', { top_p: 0 }, /top_p/],
  ['too many tokens', { max_tokens: 100_000 }, /100000|fit/],
]

for (const [title, change, message] of refused) {
  test(`refused: ${title}`, async t => {
    const { status, body } = await server.post('/v1/messages', { ...hello, ...change })
    t.is(status, 400)
    t.is(body.type, 'error')
    t.is(body.error.type, 'invalid_request_error')
    t.regex(body.error.message, message)
  })
}

test('a model that is not here', async t => {
  const { status, body } = await server.post('/v1/messages', { ...hello, model: 'claude' })
  t.is(status, 404)
  t.is(body.error.type, 'not_found_error')
})

for (const fields of [{ output_config: { format: answer } }, { output_format: answer }]) {
  test(`a message by a schema: ${Object.keys(fields)}`, async t => {
    const { status, body } = await server.post('/v1/messages', { ...hello, ...fields, max_tokens: 40 })
    t.is(status, 200)
    t.is(body.stop_reason, 'end_turn')
    t.regex(body.content[0].text, /^\{\s*"city"\s*:\s*"(?:Rome|Oslo)"\s*\}$/)
    // Clients that check the form know no citations but a list.
    t.deepEqual(Object.keys(body.content[0]), ['type', 'text'])
  })
}

test('a message, and why it ended', async t => {
  const { status, body } = await server.post('/v1/messages', hello)
  t.is(status, 200)
  t.like(body, { type: 'message', role: 'assistant', stop_reason: 'max_tokens', stop_sequence: null })
  t.regex(body.id, /^msg_/)
  t.is(body.content.length, 1)
  const { text } = body.content[0]
  t.is(body.usage.output_tokens, 12)
  const stop = text.slice(6, 9)
  const stopped = await server.post('/v1/messages', { ...hello, stop_sequences: [stop] })
  t.like(stopped.body, { stop_reason: 'stop_sequence', stop_sequence: stop })
  t.is(stopped.body.content[0].text, text.slice(0, text.indexOf(stop)))
})

test('a last turn of the assistant is continued', async t => {
  const messages = [...hello.messages, { role: 'assistant', content: 'Once upon a' }]
  const { body } = await server.post('/v1/messages', { ...hello, messages })
  t.regex(body.content[0].text, /^ ?time/)
})

test('tokens are counted as the prompt has them', async t => {
  const { messages } = hello
  const system = [{ type: 'text', text: 'Be kind.' }]
  const counted = await server.post('/v1/messages/count_tokens', { model: 'quire', messages, system, tools: [weather] })
  const said = await server.post('/v1/messages', { ...hello, system, tools: [weather] })
  t.is(counted.body.input_tokens, said.body.usage.input_tokens)
  const short = await server.post('/v1/messages/count_tokens', { model: 'quire', messages })
  t.true(short.body.input_tokens < counted.body.input_tokens)
})

test('a forced call is a block with an object that fits, whole and streamed; its result goes back', async t => {
  const asked = { ...hello, max_tokens: 60, tools: [weather], tool_choice: { type: 'tool', name: 'weather' } }
  const { body } = await server.post('/v1/messages', asked)
  const [call] = body.content
  t.like(call, { type: 'tool_use', name: 'weather' })
  t.true(['Rome', 'Oslo'].includes(call.input.city))
  t.is(body.stop_reason, 'tool_use')
  const events = eventsOf(await (await server.send('/v1/messages', { ...asked, stream: true })).text())
  const json = events
    .filter(({ type }) => type === 'content_block_delta')
    .map(({ delta }) => delta.partial_json)
    .join('')
  t.true(['Rome', 'Oslo'].includes(JSON.parse(json).city))
  t.like(events.find(({ type }) => type === 'message_delta')?.delta, { stop_reason: 'tool_use' })
  const messages = [
    ...hello.messages,
    { role: 'assistant', content: [{ type: 'thinking', thinking: 'hm', signature: '' }, call] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'Sunny.' }] },
  ]
  t.is((await server.post('/v1/messages', { ...hello, messages, tools: [weather] })).status, 200)
})

test('a stream opens and closes its message and its blocks, and says what the whole reply says', async t => {
  const whole = (await server.post('/v1/messages', hello)).body
  const response = await server.send('/v1/messages', { ...hello, stream: true })
  t.is(response.headers.get('content-type')?.split(';')[0], 'text/event-stream')
  const text = await response.text()
  const events = eventsOf(text)
  const kinds = events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1])
  t.deepEqual(kinds, [
    'message_start',
    'ping',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ])
  const deltas = events.filter(({ type }) => type === 'content_block_delta').map(({ delta }) => delta.text)
  t.is(deltas.join(''), whole.content[0].text)
  t.is(events[0].message.usage.input_tokens, whole.usage.input_tokens)
  t.deepEqual(events.at(-2)?.usage, whole.usage)
  for (const frame of text.trimEnd().split('\n\n')) t.regex(frame, /^event: (\w+)\ndata: \{"type":"\1"/)
})

// biome-ignore lint/suspicious/noExplicitAny: events of any type, which tests look into
function eventsOf(text: string): any[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string))
}
