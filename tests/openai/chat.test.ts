// /v1/chat/completions on the bundled model: prompts, replies, streams, logprobs, for every field that changes them.

import test, { type ExecutionContext } from 'ava'
import { type Answer, allFree, TestHandler } from './test-server.js'

const server = await TestHandler.create({ promptTokensDetails: true, trustRequestChatTemplate: true })
test.after(() => server.engine.close())

const PATH = '/v1/chat/completions'
const messages = [{ role: 'user', content: 'Hello' }]
const greedy = { messages, temperature: 0, max_tokens: 8 }
type Body = Answer['body']

async function chat(t: ExecutionContext, body: object): Promise<Body> {
  const answer = await server.post(PATH, body)
  t.is(answer.status, 200, JSON.stringify(answer.body))
  return answer.body
}

async function rendered(t: ExecutionContext, body: object): Promise<string> {
  const answer = await server.post(`${PATH}/render`, body)
  t.is(answer.status, 200, JSON.stringify(answer.body))
  return answer.body.prompt_text
}

test('a reply has the shape of OpenAI', async t => {
  const { id, created, ...body } = await chat(t, greedy)
  t.regex(id, /^chatcmpl-./)
  t.true(Math.abs(created - Date.now() / 1000) < 60)
  t.like(body, { object: 'chat.completion', model: 'quire' })
  const [{ message, ...choice }] = body.choices
  t.deepEqual(choice, { index: 0, logprobs: null, finish_reason: 'length', stop_reason: null, token_ids: null })
  t.like(message, { role: 'assistant', refusal: null })
  t.false('tool_calls' in message)
  t.true(message.content.startsWith('Hello'))
  t.is(body.usage.total_tokens, body.usage.prompt_tokens + 8)
})

test('max_completion_tokens goes before max_tokens; without both, as much as fits', async t => {
  t.is((await chat(t, { ...greedy, max_completion_tokens: 3 })).usage.completion_tokens, 3)
  const { usage } = await chat(t, { messages, temperature: 0, ignore_eos: true })
  t.is(usage.total_tokens, 512)
})

test('a stream: role, deltas, end, usage, [DONE]', async t => {
  const whole = await chat(t, greedy)
  const events = await server.stream(PATH, { ...greedy, stream_options: { include_usage: true } })
  const [first, ...rest] = events
  t.deepEqual(first.choices, [
    { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null },
  ])
  t.is(rest.at(-1), '[DONE]')
  const usage = rest.at(-2)
  t.deepEqual(usage.choices, [])
  t.deepEqual(usage.usage, { ...whole.usage, prompt_tokens_details: usage.usage.prompt_tokens_details })
  const deltas = rest.slice(0, -2)
  t.is(deltas.map(({ choices }) => choices[0].delta.content ?? '').join(''), whole.choices[0].message.content)
  const reasons = deltas.map(({ choices }) => choices[0].finish_reason)
  t.is(reasons.at(-1), 'length')
  t.true(reasons.slice(0, -1).every(reason => reason === null))
  t.is(new Set(events.filter(event => event !== '[DONE]').map(({ id }) => id)).size, 1)
  t.true(deltas.every(event => event.object === 'chat.completion.chunk' && !('usage' in event)))
})

test('every choice of a stream has its role and its end', async t => {
  const body = { messages, n: 3, seed: 4, max_tokens: 6 }
  const whole = await chat(t, body)
  const events = (await server.stream(PATH, body)).filter(event => event !== '[DONE]')
  for (const { index, message, finish_reason: reason } of whole.choices) {
    const own = events.filter(({ choices }) => choices[0]?.index === index).map(({ choices }) => choices[0])
    t.is(own[0].delta.role, 'assistant')
    t.is(own.filter(({ delta }) => 'role' in delta).length, 1)
    t.is(own.map(({ delta }) => delta.content ?? '').join(''), message.content)
    t.is(own.at(-1).finish_reason, reason)
  }
})

test('continuous usage counts each choice', async t => {
  const events = await server.stream(PATH, { ...greedy, stream_options: { continuous_usage_stats: true } })
  const counts = events.filter(event => event !== '[DONE]').map(({ usage }) => usage.completion_tokens)
  t.deepEqual(
    counts.toSorted((a, b) => a - b),
    counts,
  )
  t.deepEqual([counts[0], counts.at(-1)], [0, 8])
})

test('stream_interval gathers tokens, and loses none', async t => {
  const body = { ...greedy, max_tokens: 20, ignore_eos: true }
  const text = (events: readonly Body[]) =>
    events.map(event => (event === '[DONE]' ? '' : (event.choices[0].delta.content ?? ''))).join('')
  const each = await server.stream(PATH, body)
  const gathered = await server.stream(PATH, { ...body, stream_interval: 8 })
  t.is(text(gathered), text(each))
  t.true(gathered.length < each.length / 2, `${gathered.length} events`)
})

test('logprobs: as many alternatives as are asked for, the likeliest first', async t => {
  const { choices } = await chat(t, { ...greedy, logprobs: true, top_logprobs: 3 })
  const { content } = choices[0].logprobs
  t.is(content.map(({ token }: Body) => token).join(''), choices[0].message.content)
  for (const { token, logprob, bytes, top_logprobs: top } of content) {
    t.is(new TextDecoder().decode(Uint8Array.from(bytes)), token)
    t.is(top.length, 3)
    t.deepEqual(
      top.map((one: Body) => one.logprob),
      top.map((one: Body) => one.logprob).toSorted((a: number, b: number) => b - a),
    )
    t.is(top[0].logprob, logprob)
  }
  const plain = await chat(t, { ...greedy, logprobs: true })
  t.true(plain.choices[0].logprobs.content.every((one: Body) => one.top_logprobs.length === 0))
  const streamed = await server.stream(PATH, { ...greedy, logprobs: true, top_logprobs: 3 })
  t.deepEqual(
    streamed.flatMap(event => (event === '[DONE]' ? [] : (event.choices[0].logprobs?.content ?? []))),
    content,
  )
})

test('a sampled token that is unlikely is told beside the likeliest', async t => {
  const { choices } = await chat(t, {
    messages,
    seed: 3,
    temperature: 2,
    max_tokens: 30,
    logprobs: true,
    top_logprobs: 1,
  })
  const { content } = choices[0].logprobs
  t.true(content.some(({ token, top_logprobs: top }: Body) => top[0].token !== token))
  t.true(content.every(({ logprob, top_logprobs: top }: Body) => top.length === 1 && top[0].logprob >= logprob))
})

test('ids, and tokens as ids', async t => {
  const { choices, prompt_token_ids: promptIds } = await chat(t, { ...greedy, return_token_ids: true })
  const { body } = await server.post('/tokenize', { messages })
  t.deepEqual(promptIds, body.tokens)
  t.is(choices[0].token_ids.length, 8)
  const named = await chat(t, { ...greedy, logprobs: true, return_tokens_as_token_ids: true })
  t.deepEqual(
    named.choices[0].logprobs.content.map(({ token }: Body) => token),
    choices[0].token_ids.map((id: number) => `token_id:${id}`),
  )
  const events = await server.stream(PATH, { ...greedy, return_token_ids: true, return_prompt_text: true })
  t.deepEqual(events[0].prompt_token_ids, promptIds)
  t.is(events[0].prompt_text, '<|begin|><|user|>Hello<|end|><|assistant|>')
  t.deepEqual(
    events.flatMap(event => event.choices?.[0].token_ids ?? []),
    choices[0].token_ids,
  )
})

test('prompt_logprobs', async t => {
  const { prompt_logprobs: table, usage } = await chat(t, { ...greedy, prompt_logprobs: 1 })
  t.is(table.length, usage.prompt_tokens)
  t.is(table[0], null)
})

test('contents are text or parts of text', async t => {
  const byText = await rendered(t, { messages: [{ role: 'user', content: 'a\nb' }] })
  const parts = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ]
  t.is(await rendered(t, { messages: [{ role: 'user', content: parts }] }), byText)
  t.is(await rendered(t, { messages: [{ role: 'user', content: ['a', 'b'] }] }), byText)
  t.is(
    await rendered(t, {
      messages: [
        { role: 'user', content: [] },
        { role: 'assistant', content: null },
      ],
    }),
    '<|begin|><|user|><|end|><|assistant|><|end|><|assistant|>',
  )
})

test('a developer is the system where the template does not know developers', async t => {
  const text = await rendered(t, { messages: [{ role: 'developer', content: 'Be kind.' }, ...messages] })
  t.true(text.startsWith('<|begin|><|system|>Be kind.'))
  const template = '{% for m in messages %}{{ m.role }}={{ m.content }};{% endfor %}{# developer #}'
  t.is(await rendered(t, { messages: [{ role: 'developer', content: 'x' }], chat_template: template }), 'developer=x;')
})

test('templates get variables, documents, tools and whole messages', async t => {
  const template =
    '{{ mood }}|{{ enable_thinking }}|{{ reasoning_effort }}|{{ documents[0].title }}|{{ tools[0].function.name }}|{% for m in messages %}{{ m.role }}:{% if m.tool_calls %}{{ m.tool_calls[0].function.arguments.city }}{% endif %}{{ m.reasoning_content }}{{ m.tool_call_id }},{% endfor %}'
  const call = { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Ulm"}' } }
  const text = await rendered(t, {
    messages: [
      { role: 'assistant', content: null, tool_calls: [call], reasoning: 'hm' },
      { role: 'tool', tool_call_id: 'c1', content: 'sunny' },
    ],
    chat_template: template,
    chat_template_kwargs: { mood: 'good' },
    documents: [{ title: 'D', text: 'x' }],
    tools: [{ type: 'function', function: { name: 'weather' } }],
    reasoning_effort: 'none',
  })
  t.is(text, 'good|False|none|D|weather|assistant:Ulmhm,tool:c1,')
})

test('templates that walk through parts get parts', async t => {
  const template =
    "{% for m in messages %}{% if m.content is string %}[{{ m.content }}]{% else %}{% for p in m['content'] %}<{{ p.text }}>{% endfor %}{% endif %}{% endfor %}"
  const parts = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ]
  const body = {
    messages: [
      { role: 'user', content: parts },
      { role: 'user', content: 'c' },
    ],
    chat_template: template,
  }
  t.is(await rendered(t, body), '<a><b>[c]')
})

test("a template that refuses is the caller's error, without a path of this machine", async t => {
  const { status, body } = await server.post(PATH, {
    ...greedy,
    chat_template: "{{ raise_exception('only two roles') }}",
  })
  t.is(status, 400)
  t.regex(body.error.message, /only two roles/)
  const broken = await server.post(PATH, { ...greedy, chat_template: '{% for %}' })
  t.is(broken.status, 400)
})

test('continue_final_message goes on with the last message', async t => {
  const prefix = 'Once upon a time'
  const open = [...messages, { role: 'assistant', content: prefix }]
  const body = { messages: open, continue_final_message: true, add_generation_prompt: false }
  const text = await rendered(t, body)
  t.true(text.endsWith(prefix))
  t.is(await rendered(t, { messages: open, continue_final_message: true }), text)
  const completion = await server.post('/v1/completions', {
    prompt: text,
    add_special_tokens: false,
    temperature: 0,
    max_tokens: 8,
  })
  const { choices } = await chat(t, { ...greedy, ...body })
  t.is(choices[0].message.content, completion.body.choices[0].text)
  const echoed = await chat(t, { ...greedy, ...body, echo: true })
  t.is(echoed.choices[0].message.content, prefix + choices[0].message.content)
  const events = await server.stream(PATH, { ...greedy, ...body, echo: true })
  t.is(
    events.map(event => (event === '[DONE]' ? '' : (event.choices[0].delta.content ?? ''))).join(''),
    echoed.choices[0].message.content,
  )
})

test('an echo of another role says nothing again', async t => {
  const plain = await chat(t, greedy)
  const echoed = await chat(t, { ...greedy, echo: true })
  t.is(echoed.choices[0].message.content, plain.choices[0].message.content)
})

test('add_generation_prompt and add_special_tokens', async t => {
  t.is(await rendered(t, { messages, add_generation_prompt: false }), '<|begin|><|user|>Hello<|end|>')
  const ids = async (extra: object) => (await server.post('/tokenize', { messages, ...extra })).body.tokens
  const [begin] = await ids({})
  t.deepEqual((await ids({ add_special_tokens: true })).slice(0, 2), [begin, begin])
})

test('truncate_prompt_tokens keeps the end of the conversation', async t => {
  const all = (await server.post('/tokenize', { messages })).body.tokens
  const { prompt_token_ids: kept } = await chat(t, { ...greedy, truncate_prompt_tokens: 2, return_token_ids: true })
  t.deepEqual(kept, all.slice(-2))
})

test('best_of keeps the likeliest', async t => {
  const body = { messages, seed: 5, max_tokens: 6 }
  const all = await chat(t, { ...body, n: 5, logprobs: true })
  const sum = ({ logprobs }: Body) => logprobs.content.reduce((total: number, one: Body) => total + one.logprob, 0)
  const best = all.choices.toSorted((a: Body, b: Body) => sum(b) - sum(a))[0]
  const { choices } = await chat(t, { ...body, best_of: 5 })
  t.is(choices.length, 1)
  t.is(choices[0].message.content, best.message.content)
})

test.serial('a reader that leaves frees what its stream held', async t => {
  const response = await server.send(PATH, { messages, stream: true, n: 4, ignore_eos: true })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await reader.read()
  t.true(server.engine.numRequests > 0)
  await reader.cancel()
  t.true(await allFree(server.engine))
})

test.serial('a stream that the server ends tells an error, then [DONE]', async t => {
  const response = await server.send(PATH, { messages, stream: true, ignore_eos: true })
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let text = (await reader.read()).value ?? ''
  server.engine.abortAll()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    text += value
  }
  const frames = text.trimEnd().split('\n\n')
  t.is(frames.at(-1), 'data: [DONE]')
  t.is(JSON.parse((frames.at(-2) as string).slice(6)).error.code, 500)
})
