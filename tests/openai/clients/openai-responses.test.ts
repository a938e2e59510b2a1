// The Responses API of the package `openai` on a real socket: plain, streamed, its helpers, conversations, calls, what is kept,
// the background, cancelled in the middle, 64 at once, errors.

import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import OpenAI, { type APIError, BadRequestError, NotFoundError } from 'openai'
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { allFree, leftInTheMiddle, listen } from '../test-server.js'

const server = await listen()
const client = new OpenAI({ baseURL: server.baseUrl, apiKey: 'none', maxRetries: 0 })
test.after.always(() => server.close())

const ask = { model: 'quire', input: 'Hello', temperature: 0, max_output_tokens: 24 }
const endless = { ...ask, max_output_tokens: 480, ...({ ignore_eos: true } as object) }

test('a response', async t => {
  const response = await client.responses.create({ ...ask, max_output_tokens: 8 })
  t.true(response.output_text.startsWith('Hello'))
  t.is(response.status, 'incomplete')
  t.is(response.usage?.output_tokens, 8)
})

test('a streamed response says what the whole one says', async t => {
  const whole = await client.responses.create(ask)
  let text = ''
  let last: OpenAI.Responses.Response | undefined
  for await (const event of await client.responses.create({ ...ask, stream: true })) {
    if (event.type === 'response.output_text.delta') text += event.delta
    if (event.type === 'response.completed' || event.type === 'response.incomplete') last = event.response
  }
  t.is(text, whole.output_text)
  t.is(last?.status, whole.status)
  t.is(last?.usage?.total_tokens, whole.usage?.total_tokens)
})

test("the helper's stream gathers a whole response", async t => {
  const gather = async () => {
    const stream = client.responses.stream({ ...ask, include: ['message.output_text.logprobs'], top_logprobs: 1 })
    const snapshots: string[] = []
    stream.on('response.output_text.delta', ({ snapshot }) => snapshots.push(snapshot))
    return { response: await stream.finalResponse(), snapshots }
  }
  let { response, snapshots } = await gather()
  // A reader that the machine keeps waiting finds deltas merged, and looks again.
  while (snapshots.length <= 3) ({ response, snapshots } = await gather())
  t.is(snapshots.at(-1), response.output_text)
  const [message] = response.output
  if (message?.type !== 'message') return t.fail('There is no message.')
  const [part] = message.content
  t.true(part?.type === 'output_text' && (part.logprobs?.length ?? 0) > 3)
})

const Place = z.object({ city: z.enum(['Ulm', 'Bonn']), degrees: z.int().min(0).max(9) })

test('zodTextFormat: the text is parsed, whole and streamed', async t => {
  const body = { ...ask, max_output_tokens: 60, text: { format: zodTextFormat(Place, 'place') } }
  const response = await client.responses.parse(body)
  t.true(Place.safeParse(response.output_parsed).success, response.output_text)
  const streamed = await client.responses.stream(body).finalResponse()
  t.deepEqual(streamed.output_parsed, response.output_parsed)
})

test('a conversation goes on from an earlier response', async t => {
  const first = await client.responses.create(ask)
  const next = await client.responses.create({ ...ask, input: 'And now?', previous_response_id: first.id })
  t.is(next.previous_response_id, first.id)
  const whole = await client.responses.create({
    ...ask,
    store: false,
    input: [
      { role: 'user', content: 'Hello' },
      ...(first.output as OpenAI.Responses.ResponseInputItem[]),
      { role: 'user', content: 'And now?' },
    ],
  })
  t.is(next.output_text, whole.output_text)
  t.is(next.usage?.input_tokens, whole.usage?.input_tokens)
})

test('a call goes there and its result back', async t => {
  const tools = [zodResponsesFunction({ name: 'weather', description: 'The weather.', parameters: Place })]
  const body = { ...ask, max_output_tokens: 80, tools, tool_choice: 'required' as const }
  const stream = client.responses.stream(body)
  const pieces: string[] = []
  stream.on('response.function_call_arguments.delta', ({ delta }) => pieces.push(delta))
  const response = await stream.finalResponse()
  const call = response.output.find(item => item.type === 'function_call')
  if (call === undefined) return t.fail(JSON.stringify(response.output))
  t.is(pieces.join(''), call.arguments)
  t.true(Place.safeParse(call.parsed_arguments).success, call.arguments)
  const result = { type: 'function_call_output' as const, call_id: call.call_id, output: 'Sunny.' }
  const kept = await client.responses.create({
    ...ask,
    tools,
    tool_choice: 'none',
    input: [result],
    previous_response_id: response.id,
  })
  const { type, call_id, name, arguments: text } = call
  const sent = await client.responses.create({
    ...ask,
    tools,
    tool_choice: 'none',
    input: [{ role: 'user', content: 'Hello' }, { type, call_id, name, arguments: text }, result],
  })
  t.is(kept.output_text, sent.output_text)
})

test('what is kept: retrieved, listed, deleted', async t => {
  const response = await client.responses.create({ ...ask, instructions: 'Be kind.' })
  const again = await client.responses.retrieve(response.id)
  t.deepEqual({ ...again, output_text: '' }, { ...response, output_text: '' })
  const texts: unknown[] = []
  for await (const item of client.responses.inputItems.list(response.id, { limit: 1 })) texts.push(item)
  t.like(texts, [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello' }] }])
  await client.responses.delete(response.id)
  await t.throwsAsync(client.responses.retrieve(response.id), { instanceOf: NotFoundError })
})

test('in the background: polled to its end', async t => {
  let response = await client.responses.create({ ...ask, background: true })
  t.is(response.status, 'queued')
  while (response.status === 'queued' || response.status === 'in_progress') {
    await delay(5)
    response = await client.responses.retrieve(response.id)
  }
  t.is(response.output_text, (await client.responses.create(ask)).output_text)
})

test.serial('in the background: cancelled, its blocks are free', async t => {
  // Standing still, it cannot end before it is cancelled.
  await server.engine.pause('keep')
  const { id } = await client.responses.create({ ...endless, background: true })
  t.is((await client.responses.cancel(id)).status, 'cancelled')
  server.engine.resume()
  t.true(await allFree(server.engine))
  t.is((await client.responses.retrieve(id)).status, 'cancelled')
})

test.serial('in the background: a stream that was left is taken up again', async t => {
  const body = { ...ask, max_output_tokens: 60, ...({ ignore_eos: true } as object) }
  const seen: OpenAI.Responses.ResponseStreamEvent[] = []
  for await (const event of await client.responses.create({ ...body, background: true, stream: true })) {
    seen.push(event)
    if (seen.length === 8) break
  }
  const [created] = seen
  if (created?.type !== 'response.created') return t.fail('The first event creates no response.')
  const starting_after = seen.at(-1)?.sequence_number ?? 0
  for await (const event of await client.responses.retrieve(created.response.id, { stream: true, starting_after })) {
    seen.push(event)
  }
  const text = seen.map(event => (event.type === 'response.output_text.delta' ? event.delta : '')).join('')
  t.is(text, (await client.responses.create(body)).output_text)
})

test.serial('a stream that is left in the middle frees its blocks', async t => {
  let count = 0
  for await (const { type } of await client.responses.create({ ...endless, stream: true })) {
    if (type === 'response.output_text.delta') count += 1
    if (count === 5) break
  }
  t.true(await allFree(server.engine))
})

test.serial('an aborted call frees its blocks', async t => {
  await t.throwsAsync(leftInTheMiddle(server.engine, async signal => client.responses.create(endless, { signal })))
  t.true(await allFree(server.engine))
})

test('64 at once, whole, streamed and in the background', async t => {
  const streamed = async () => (await client.responses.stream(ask).finalResponse()).output_text
  const whole = async () => (await client.responses.create(ask)).output_text
  const detached = async () => {
    const { id } = await client.responses.create({ ...ask, background: true })
    for (;;) {
      const { status, output_text } = await client.responses.retrieve(id)
      if (status === 'completed' || status === 'incomplete') return output_text
      await delay(20)
    }
  }
  const ways = [whole, streamed, detached]
  const texts = await Promise.all(Array.from({ length: 64 }, (_, index) => (ways[index % 3] ?? whole)()))
  t.is(new Set(texts).size, 1)
  t.true((texts[0] as string).length > 10)
})

test('errors have their class, code and parameter', async t => {
  const missing = await t.throwsAsync(client.responses.create({ ...ask, model: 'gpt-5' }), {
    instanceOf: NotFoundError,
  })
  t.like(missing as APIError, { code: 'model_not_found', param: 'model' })
  const wrong = await t.throwsAsync(client.responses.create({ ...ask, tools: [{ type: 'web_search' }] }), {
    instanceOf: BadRequestError,
  })
  t.is((wrong as APIError).param, 'tools[0].type')
  const gone = await t.throwsAsync(client.responses.create({ ...ask, previous_response_id: 'resp_x', stream: true }))
  t.like(gone as APIError, { status: 400, code: 'previous_response_not_found' })
  const kept = await client.responses.create(ask)
  await t.throwsAsync(client.responses.cancel(kept.id), { instanceOf: BadRequestError })
})
