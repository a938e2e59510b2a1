// The package `openai` on a real socket: plain, streamed, its helpers, cancelled in the middle, 64 at once, errors.

import test from 'ava'
import OpenAI, { APIError, NotFoundError } from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { allFree, leftInTheMiddle, listen } from '../test-server.js'

const server = await listen()
const client = new OpenAI({ baseURL: server.baseUrl, apiKey: 'none', maxRetries: 0 })
test.after.always(() => server.close())

const model = 'quire'
const messages = [{ role: 'user' as const, content: 'Hello' }]

test('a chat', async t => {
  const reply = await client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 8 })
  t.is(reply.choices[0]?.message.role, 'assistant')
  t.true((reply.choices[0]?.message.content ?? '').startsWith('Hello'))
  t.is(reply.choices[0]?.finish_reason, 'length')
  t.is(reply.usage?.completion_tokens, 8)
})

test('a streamed chat says what the whole one says', async t => {
  const body = { model, messages, temperature: 0, max_tokens: 24 }
  const whole = await client.chat.completions.create(body)
  const stream = await client.chat.completions.create({
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  })
  let text = ''
  let usage: OpenAI.CompletionUsage | null | undefined
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    usage = chunk.usage ?? usage
  }
  t.is(text, whole.choices[0]?.message.content ?? '')
  t.deepEqual(usage, whole.usage)
})

test('a completion, and a streamed one', async t => {
  const body = { model, prompt: 'Once upon a time', temperature: 0, max_tokens: 12, logprobs: 2 }
  const whole = await client.completions.create(body)
  t.is(whole.choices[0]?.logprobs?.tokens?.length, 12)
  let text = ''
  for await (const chunk of await client.completions.create({ ...body, stream: true })) text += chunk.choices[0]?.text
  t.is(text, whole.choices[0]?.text ?? '')
})

test("the helper's stream gathers a whole completion", async t => {
  const stream = client.chat.completions.stream({
    model,
    messages,
    temperature: 0,
    max_tokens: 5,
    n: 1,
    logprobs: true,
  })
  const deltas: string[] = []
  stream.on('content', delta => deltas.push(delta))
  const completion = await stream.finalChatCompletion()
  t.is(deltas.join(''), completion.choices[0]?.message.content ?? '')
  t.is(completion.choices[0]?.finish_reason, 'length')
  t.is(completion.choices[0]?.logprobs?.content?.length, 5)
})

test("vLLM's extras pass through the client", async t => {
  const body = { model, messages, temperature: 0, max_tokens: 4, return_token_ids: true, top_k: 3, min_p: 0.1 }
  const reply = (await client.chat.completions.create(body)) as unknown as { choices: { token_ids: number[] }[] }
  t.is(reply.choices[0]?.token_ids.length, 4)
})

const Weather = z.object({ city: z.enum(['Ulm', 'Bonn']), degrees: z.int().min(0).max(9) })

test('zodResponseFormat: the reply is parsed', async t => {
  const completion = await client.chat.completions.parse({
    model,
    messages,
    temperature: 0,
    max_tokens: 60,
    response_format: zodResponseFormat(Weather, 'weather'),
  })
  const parsed = completion.choices[0]?.message.parsed
  t.true(Weather.safeParse(parsed).success, JSON.stringify(completion.choices[0]))
})

test('a tool that must be called is called with arguments of its schema', async t => {
  const body = {
    model,
    messages,
    temperature: 0,
    max_tokens: 80,
    tools: [{ type: 'function' as const, function: { name: 'weather', parameters: z.toJSONSchema(Weather) } }],
  }
  for (const choice of ['required', { type: 'function' as const, function: { name: 'weather' } }] as const) {
    const { choices } = await client.chat.completions.create({ ...body, tool_choice: choice })
    const call = choices[0]?.message.tool_calls?.[0]
    if (call?.type !== 'function') return t.fail(JSON.stringify(choices[0]))
    t.is(call.function.name, 'weather')
    t.true(Weather.safeParse(JSON.parse(call.function.arguments)).success, call.function.arguments)
    t.is(choices[0]?.message.content, null)
    t.is(choices[0]?.finish_reason, choice === 'required' ? 'tool_calls' : 'stop')
    const stream = client.chat.completions.stream({ ...body, tool_choice: choice })
    const final = await stream.finalChatCompletion()
    const streamed = final.choices[0]?.message.tool_calls?.[0]
    t.like(streamed, { type: 'function', function: { name: 'weather', arguments: call.function.arguments } })
  }
})

test('runTools: a call is answered and the conversation goes on', async t => {
  const called: unknown[] = []
  const runner = client.chat.completions.runTools({
    model,
    messages,
    temperature: 0,
    max_tokens: 80,
    tool_choice: { type: 'function', function: { name: 'weather' } },
    tools: [
      {
        type: 'function',
        function: {
          name: 'weather',
          description: 'The weather of a city.',
          parameters: z.toJSONSchema(Weather) as Record<string, unknown>,
          parse: text => Weather.parse(JSON.parse(text)),
          function: (given: z.output<typeof Weather>) => {
            called.push(given)
            return 'sunny'
          },
        },
      },
    ],
  })
  await runner.done()
  t.is(called.length, 1)
  t.true(Weather.safeParse(called[0]).success)
  const roles = runner.messages.map(({ role }) => role)
  t.deepEqual(roles.slice(0, 3), ['user', 'assistant', 'tool'])
})

test('a conversation with an answered call is taken', async t => {
  const reply = await client.chat.completions.create({
    model,
    max_tokens: 4,
    messages: [
      ...messages,
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c', content: 'sunny' },
    ],
  })
  t.is(reply.choices.length, 1)
})

test('errors have their class, status, code and parameter', async t => {
  const missing = await t.throwsAsync(client.chat.completions.create({ model: 'gpt-4', messages }))
  t.true(missing instanceof NotFoundError)
  t.like(missing as APIError, { status: 404, code: 'model_not_found', param: 'model', type: 'NotFoundError' })
  const wrong = await t.throwsAsync(client.chat.completions.create({ model, messages, temperature: 9 }))
  t.true(wrong instanceof APIError)
  t.like(wrong as APIError, { status: 400, param: 'temperature', type: 'BadRequestError' })
  const long = await t.throwsAsync(
    client.completions.create({ model, prompt: Array.from({ length: 600 }, () => 70), stream: true }),
  )
  t.like(long as APIError, { status: 400, code: 'context_length_exceeded' })
})

test('64 at once, each with its own answer', async t => {
  const ask = (index: number) =>
    client.completions.create({ model, prompt: `Story ${index % 8}: Once`, temperature: 0, max_tokens: 10 })
  const alone = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(index)))
  const replies = await Promise.all(Array.from({ length: 64 }, (_, index) => ask(index)))
  for (const [index, reply] of replies.entries()) t.is(reply.choices[0]?.text, alone[index % 8]?.choices[0]?.text)
  t.is(new Set(replies.map(({ id }) => id)).size, 64)
})

test('64 streams at once', async t => {
  const texts = await Promise.all(
    Array.from({ length: 64 }, async () => {
      const stream = await client.chat.completions.create({
        model,
        messages,
        temperature: 0,
        max_tokens: 30,
        stream: true,
      })
      let text = ''
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
      return text
    }),
  )
  t.is(new Set(texts).size, 1)
  t.true((texts[0] as string).length > 20)
})

test.serial('a stream that is left in the middle frees its blocks', async t => {
  const stream = await client.chat.completions.create({
    model,
    messages,
    stream: true,
    ...({ ignore_eos: true } as object),
  })
  for await (const chunk of stream) {
    if ((chunk.choices[0]?.delta.content ?? '') !== '') break
  }
  t.true(await allFree(server.engine))
})

test.serial('an aborted call frees its blocks', async t => {
  const body = { model, prompt: 'Once', max_tokens: 480, n: 8, ...({ ignore_eos: true } as object) }
  await t.throwsAsync(leftInTheMiddle(server.engine, async signal => client.completions.create(body, { signal })))
  t.true(await allFree(server.engine))
})
