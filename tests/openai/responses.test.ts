// /v1/responses: rules a row each, conversations that go on, items of every kind, and streams that say what whole replies say.

import test from 'ava'
import { TestHandler } from './test-server.js'

const server = await TestHandler.create({ promptTokensDetails: true })
test.after.always(() => server.engine.close())

const PATH = '/v1/responses'
const hello = { model: 'quire', input: 'Hello', max_output_tokens: 12, temperature: 0 }
const weather = {
  type: 'function',
  name: 'weather',
  parameters: {
    type: 'object',
    properties: { city: { enum: ['Rome', 'Oslo'] } },
    required: ['city'],
    additionalProperties: false,
  },
}
const userSays = (content: unknown) => ({ input: [{ role: 'user', content }] })

const refused: readonly [string, object, string | null, RegExp][] = [
  ['no input', { input: undefined }, 'input', /input/],
  ['input without items', { input: [] }, 'input', /must have an item/],
  ['a number as input', { input: 3 }, 'input', /a string or a list of items/],
  ['an item that is a text', { input: ['x'] }, 'input[0]', /an object/],
  ['a role that is none', { input: [{ role: 'tool', content: 'x' }] }, 'input[0].role', /"assistant"/],
  ['a message without content', { input: [{ role: 'user' }] }, 'input[0].content', /content/],
  ['an image', userSays([{ type: 'input_image', image_url: 'x' }]), 'input[0].content[0].type', /text only/],
  ['an item of a hosted tool', { input: [{ type: 'web_search_call', id: 'a' }] }, 'input[0].type', /web_search_call/],
  ['an item of no type', { input: [{ type: 7 }] }, 'input[0].type', /knows message/],
  [
    'a call without a name',
    { input: [{ type: 'function_call', call_id: 'a', arguments: '' }] },
    'input[0].name',
    /name/,
  ],
  [
    'a result without its call',
    { input: [{ type: 'function_call_output', call_id: 'a', output: 'x' }] },
    'input[0].call_id',
    /no function_call before it/,
  ],
  ['a reference to nothing', { input: [{ type: 'item_reference', id: 'msg_0' }] }, 'input[0].id', /not found/],
  ['a hosted tool', { tools: [{ type: 'web_search' }] }, 'tools[0].type', /no tools of its own/],
  ['a custom tool', { tools: [weather, { type: 'custom', name: 'x' }] }, 'tools[1].type', /only "function"/],
  ['a tool without a name', { tools: [{ type: 'function' }] }, 'tools[0].name', /missing/],
  ['a required tool of none', { tool_choice: 'required' }, 'tool_choice', /needs tools/],
  [
    'a tool that is not there',
    { tools: [weather], tool_choice: { type: 'function', name: 'x' } },
    'tool_choice.name',
    /none of the tools/,
  ],
  [
    'a hosted tool as choice',
    { tools: [weather], tool_choice: { type: 'file_search' } },
    'tool_choice.type',
    /no tools of its own/,
  ],
  [
    'allowed tools that are not there',
    {
      tools: [weather],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'x' }] },
    },
    'tool_choice.tools[0].name',
    /none of the tools/,
  ],
  ['a format that is none', { text: { format: { type: 'xml' } } }, 'text.format.type', /json_schema/],
  [
    'a format without its schema',
    { text: { format: { type: 'json_schema', name: 'x' } } },
    'text.format.schema',
    /given/,
  ],
  [
    'two constraints',
    { text: { format: { type: 'json_object' } }, structured_outputs: { regex: 'a' } },
    'structured_outputs',
    /only one/,
  ],
  ['no tokens', { max_output_tokens: 0 }, 'max_output_tokens', /at least 1/],
  ['more tokens than fit', { max_output_tokens: 100_000 }, 'max_output_tokens', /100000/],
  ['an effort that is none', { reasoning: { effort: 'huge' } }, 'reasoning.effort', /"minimal"/],
  ['an include that is none', { include: ['everything'] }, 'include[0]', /message.output_text.logprobs/],
  ['too many logprobs', { top_logprobs: 21 }, 'top_logprobs', /at most 20/],
  ['a truncation that is none', { truncation: 'right' }, 'truncation', /"auto"/],
  ['metadata of numbers', { metadata: { a: 1 } }, 'metadata', /each a string/],
  ['a background that is not kept', { background: true, store: false }, 'background', /store/],
  ['a conversation', { conversation: 'conv_1' }, 'conversation', /previous_response_id/],
  ['a prompt that is kept elsewhere', { prompt: { id: 'pmpt_1' } }, 'prompt', /not supported/],
  ['top_p of 0', { top_p: 0 }, 'top_p', /top_p/],
  ['stream as a text', { stream: 'yes' }, 'stream', /boolean/],
]

for (const [title, change, param, message] of refused) {
  test(`refused: ${title}`, async t => {
    const { status, body } = await server.post(PATH, { ...hello, ...change })
    t.is(status, 400, JSON.stringify(body))
    t.is(body.error.type, 'BadRequestError')
    t.regex(body.error.message, message)
    t.is(body.error.param, param)
  })
}

test('a model that is not here', async t => {
  const { status, body } = await server.post(PATH, { ...hello, model: 'gpt-5' })
  t.is(status, 404)
  t.is(body.error.code, 'model_not_found')
})

test('an earlier response that is not here', async t => {
  const { status, body } = await server.post(PATH, { ...hello, previous_response_id: 'resp_0' })
  t.is(status, 400)
  t.like(body.error, { param: 'previous_response_id', code: 'previous_response_not_found' })
})

test('a response tells what it was asked', async t => {
  const asked = {
    ...hello,
    max_output_tokens: 8,
    instructions: 'Be kind.',
    metadata: { a: 'b' },
    top_p: 0.5,
    tools: [weather],
    tool_choice: 'none',
    reasoning: { effort: 'low', summary: 'auto' },
    truncation: 'auto',
    user: 'me',
  }
  const { status, body } = await server.post(PATH, asked)
  t.is(status, 200)
  t.regex(body.id, /^resp_[0-9a-f]{32}$/)
  t.like(body, {
    object: 'response',
    status: 'incomplete',
    incomplete_details: { reason: 'max_output_tokens' },
    model: 'quire',
    instructions: 'Be kind.',
    metadata: { a: 'b' },
    max_output_tokens: 8,
    temperature: 0,
    top_p: 0.5,
    tool_choice: 'none',
    reasoning: { effort: 'low', summary: 'auto' },
    text: { format: { type: 'text' } },
    truncation: 'auto',
    store: true,
    user: 'me',
    error: null,
  })
  t.deepEqual(body.tools, [{ ...weather, description: null, strict: null }])
  t.is(body.usage.output_tokens, 8)
  t.is(body.usage.total_tokens, body.usage.input_tokens + 8)
  t.is(body.output.length, 1)
  t.like(body.output[0], { type: 'message', role: 'assistant', status: 'incomplete' })
})

/** Rows of inputs that are the same conversation as these messages of /v1/chat/completions. */
const system = { role: 'system', content: 'Be kind.' }
const user = { role: 'user', content: 'Hello' }
const call = { type: 'function_call', call_id: 'a', name: 'weather', arguments: '{"city":"Rome"}' }
const calls = [{ id: 'a', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } }]
const same: readonly [string, object, readonly object[]][] = [
  ['a text', { input: 'Hello' }, [user]],
  ['a message', { input: [user] }, [user]],
  ['parts', userSays([{ type: 'input_text', text: 'Hello' }]), [user]],
  ['instructions', { input: 'Hello', instructions: 'Be kind.' }, [system, user]],
  [
    'instructions and a system message',
    { input: [{ role: 'system', content: 'Kind.' }, user], instructions: 'Be' },
    [{ role: 'system', content: 'Be\n\nKind.' }, user],
  ],
  ['a developer', { input: [{ role: 'developer', content: 'Be kind.' }, user] }, [system, user]],
  [
    'an answer as it was given',
    {
      input: [
        user,
        {
          type: 'message',
          id: 'msg_1',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hi' }],
        },
        user,
      ],
    },
    [user, { role: 'assistant', content: 'Hi' }, user],
  ],
  [
    'a call and its result',
    { input: [user, call, { type: 'function_call_output', call_id: 'a', output: 'Sun' }] },
    [user, { role: 'assistant', content: '', tool_calls: calls }, { role: 'tool', tool_call_id: 'a', content: 'Sun' }],
  ],
  [
    'reasoning, text and a call are one message',
    {
      input: [
        user,
        { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'Hm' }] },
        { role: 'assistant', content: 'Wait' },
        call,
        { type: 'function_call_output', call_id: 'a', output: [{ type: 'input_text', text: 'Sun' }] },
      ],
    },
    [
      user,
      { role: 'assistant', content: 'Wait', reasoning: 'Hm', tool_calls: calls },
      { role: 'tool', tool_call_id: 'a', content: 'Sun' },
    ],
  ],
]

for (const [title, change, messages] of same) {
  test(`read as a chat: ${title}`, async t => {
    const { status, body } = await server.post(PATH, { ...hello, ...change })
    t.is(status, 200, JSON.stringify(body))
    const chat = await server.post('/v1/chat/completions', { messages, max_tokens: 12, temperature: 0 })
    t.is(body.output[0].content[0].text, chat.body.choices[0].message.content)
    t.is(body.usage.input_tokens, chat.body.usage.prompt_tokens)
  })
}

test('an earlier response is gone on from, without its instructions', async t => {
  const first = (await server.post(PATH, { ...hello, instructions: 'Be kind.' })).body
  const { text } = first.output[0].content[0]
  const next = await server.post(PATH, { ...hello, input: 'And now?', previous_response_id: first.id })
  t.is(next.body.previous_response_id, first.id)
  const input = [user, { role: 'assistant', content: text }, { role: 'user', content: 'And now?' }]
  const whole = await server.post(PATH, { ...hello, input })
  t.is(next.body.usage.input_tokens, whole.body.usage.input_tokens)
  t.is(next.body.output[0].content[0].text, whole.body.output[0].content[0].text)
  const third = await server.post(PATH, { ...hello, input: 'And?', previous_response_id: next.body.id })
  t.true(third.body.usage.input_tokens > next.body.usage.total_tokens)
  const reference = { type: 'item_reference', id: first.output[0].id }
  const byItem = await server.post(PATH, { ...hello, input: [user, reference, { role: 'user', content: 'And now?' }] })
  t.is(byItem.body.usage.input_tokens, whole.body.usage.input_tokens)
})

test('usage tells the prompt tokens that were found in the cache', async t => {
  const input =
    'Tell me of the little dog that ran over the hill to the river, and of the boy who went after it. '.repeat(2)
  const usages = []
  for (let round = 0; round < 2; round += 1)
    usages.push((await server.post(PATH, { ...hello, input, max_output_tokens: 2 })).body.usage)
  t.true(usages[1].input_tokens_details.cached_tokens >= 16)
  t.true(usages[1].input_tokens_details.cached_tokens < usages[1].input_tokens)
  t.is(usages[0].input_tokens, usages[1].input_tokens)
})

test('a text that ends by itself is complete', async t => {
  const { body } = await server.post(PATH, { ...hello, stop: ['!'] })
  t.like(body, { status: 'completed', incomplete_details: null })
  t.is(body.output[0].status, 'completed')
  t.true(body.completed_at >= body.created_at)
})

test('logprobs where they are included', async t => {
  const asked = { ...hello, top_logprobs: 2, include: ['message.output_text.logprobs'] }
  const { body } = await server.post(PATH, asked)
  const { text, logprobs } = body.output[0].content[0]
  t.is(logprobs.map(({ token }: { token: string }) => token).join(''), text)
  for (const { top_logprobs: top } of logprobs) t.is(top.length, 2)
  const events = await streamOf(asked)
  const streamed = events
    .filter(({ type }) => type === 'response.output_text.delta')
    .flatMap(({ logprobs: some }) => some)
  t.deepEqual(streamed, logprobs)
  t.deepEqual(events.at(-1)?.response.output[0].content[0].logprobs, logprobs)
  const without = await server.post(PATH, { ...hello, top_logprobs: 2 })
  t.deepEqual(without.body.output[0].content[0].logprobs, [])
})

test('a conversation that is too long: refused, or its oldest messages dropped', async t => {
  const many = Array.from({ length: 60 }, (_, index) => [
    { role: 'user', content: `Say ${index}. ${'very '.repeat(20)}` },
    { role: 'assistant', content: 'Well.' },
  ]).flat()
  const input = [...many, { role: 'user', content: 'Hello' }]
  const refusedOne = await server.post(PATH, { ...hello, input, instructions: 'Be kind.' })
  t.is(refusedOne.status, 400)
  t.like(refusedOne.body.error, { code: 'context_length_exceeded', param: 'input' })
  const { status, body } = await server.post(PATH, { ...hello, input, instructions: 'Be kind.', truncation: 'auto' })
  t.is(status, 200)
  const most = server.engine.maxModelLen - 12
  t.true(body.usage.input_tokens <= most)
  t.true(body.usage.input_tokens > most - 60)
})

test('forced calls have arguments that fit, whole and streamed; their results go back', async t => {
  for (const choice of ['required', { type: 'function', name: 'weather' }]) {
    const asked = { ...hello, max_output_tokens: 80, tools: [weather], tool_choice: choice }
    const { body } = await server.post(PATH, asked)
    const [called] = body.output
    t.like(called, { type: 'function_call', name: 'weather', status: 'completed' })
    t.true(['Rome', 'Oslo'].includes(JSON.parse(called.arguments).city))
    t.is(body.status, 'completed')
    const events = await streamOf(asked)
    const json = joined(events, 'response.function_call_arguments.delta')
    t.is(events.find(({ type }) => type === 'response.function_call_arguments.done')?.arguments, json)
    t.is(events.at(-1)?.response.output[0].arguments, json)
    t.is(json, called.arguments)
    const output = { type: 'function_call_output', call_id: called.call_id, output: 'Sunny.' }
    const next = await server.post(PATH, { ...hello, input: [output], previous_response_id: body.id, tools: [weather] })
    t.is(next.status, 200, JSON.stringify(next.body))
  }
})

test('a format holds the text', async t => {
  const schema = {
    type: 'object',
    properties: { city: { enum: ['Rome', 'Oslo'] } },
    required: ['city'],
    additionalProperties: false,
  }
  const format = { type: 'json_schema', name: 'place', strict: true, schema }
  const { body } = await server.post(PATH, { ...hello, max_output_tokens: 60, text: { format } })
  t.true(['Rome', 'Oslo'].includes(JSON.parse(body.output[0].content[0].text).city))
  t.deepEqual(body.text.format, format)
})

test('a stream: events in their order, numbered, and at the end what the whole reply says', async t => {
  const asked = { ...hello, max_output_tokens: 8 }
  const whole = (await server.post(PATH, asked)).body
  const response = await server.send(PATH, { ...asked, stream: true })
  t.is(response.headers.get('content-type')?.split(';')[0], 'text/event-stream')
  const text = await response.text()
  const events = eventsOf(text)
  t.deepEqual(
    events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1]),
    [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.incomplete',
    ],
  )
  t.deepEqual(
    events.map(({ sequence_number: number }) => number),
    events.map((_, index) => index),
  )
  for (const frame of text.trimEnd().split('\n\n')) t.regex(frame, /^event: ([\w.]+)\ndata: \{"type":"\1"/)
  const last = events.at(-1)?.response
  t.is(joined(events, 'response.output_text.delta'), whole.output[0].content[0].text)
  t.deepEqual(withoutIds(last), withoutIds({ ...whole, usage: last.usage }))
  t.is(last.usage.total_tokens, whole.usage.total_tokens)
})

test('many languages and marks, whole and streamed', async t => {
  for (const input of ['日本語で話して', 'émile — “ça va?”', '🙂🙂', 'a\r\nb\u2028c\u0000d']) {
    const asked = { ...hello, input, temperature: 1.5, seed: 5, max_output_tokens: 40 }
    const whole = (await server.post(PATH, asked)).body
    const events = await streamOf(asked)
    t.is(joined(events, 'response.output_text.delta'), whole.output[0].content[0].text)
  }
})

async function streamOf(body: object) {
  return eventsOf(await (await server.send(PATH, { ...body, stream: true })).text())
}

// biome-ignore lint/suspicious/noExplicitAny: events of any type, which tests look into
function eventsOf(text: string): any[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string))
}

function joined(events: readonly { type: string; delta?: string }[], wanted: string): string {
  return events.map(({ type, delta = '' }) => (type === wanted ? delta : '')).join('')
}

/** Without what differs between two responses to the same request. */
function withoutIds(response: object): unknown {
  return JSON.parse(
    JSON.stringify(response, (key, value) => (['id', 'created_at', 'completed_at'].includes(key) ? null : value)),
  )
}
