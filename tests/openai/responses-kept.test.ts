// Responses that are kept: fetched, listed, deleted, streamed again, run in the background and ended, and the bounds of what
// is kept.

import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { ResponseStore } from '../../ts/src/server/responses/response-store.js'
import { type Answer, allFree, TestHandler } from './test-server.js'

const server = await TestHandler.create()
test.after.always(() => server.engine.close())

const PATH = '/v1/responses'
const hello = { model: 'quire', input: 'Hello', max_output_tokens: 8, temperature: 0 }
const long = { ...hello, max_output_tokens: 400, ignore_eos: true }

async function ask(method: string, path: string, on = server): Promise<Answer> {
  const response = await on.handler(new Request(`http://localhost${PATH}${path}`, { method }))
  return { status: response.status, body: await response.json() }
}

async function ended(id: string) {
  for (const end = performance.now() + 120_000; performance.now() < end; ) {
    const { body } = await ask('GET', `/${id}`)
    if (body.status !== 'queued' && body.status !== 'in_progress') return body
    await delay(5)
  }
  throw new Error('The response has not ended.')
}

// biome-ignore lint/suspicious/noExplicitAny: events of any type, which tests look into
async function eventsOf(response: Response): Promise<any[]> {
  const text = await response.text()
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string))
}

function get(path: string): Promise<Response> {
  return server.handler(new Request(`http://localhost${PATH}${path}`))
}

test.serial('fetched as it was given, until it is deleted', async t => {
  const { body } = await server.post(PATH, hello)
  t.deepEqual((await ask('GET', `/${body.id}`)).body, body)
  t.deepEqual((await ask('DELETE', `/${body.id}`)).body, { id: body.id, object: 'response', deleted: true })
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/cancel'],
    ['GET', '/input_items'],
  ] as const) {
    const gone = await ask(method, `/${body.id}${path}`)
    t.is(gone.status, 404, method + path)
    t.is(gone.body.error.type, 'NotFoundError')
  }
})

test.serial('a streamed one is kept too; one that is not to be kept is not', async t => {
  const events = await eventsOf(await server.send(PATH, { ...hello, stream: true }))
  const last = events.at(-1)?.response
  t.deepEqual((await ask('GET', `/${last.id}`)).body, last)
  const { body } = await server.post(PATH, { ...hello, store: false })
  t.false(body.store)
  t.is((await ask('GET', `/${body.id}`)).status, 404)
})

test.serial('the items of its input, in pages', async t => {
  const first = (await server.post(PATH, hello)).body
  const input = ['one', 'two', 'three'].map(content => ({ role: 'user', content }))
  const { id } = (await server.post(PATH, { ...hello, input, previous_response_id: first.id })).body
  const all = (await ask('GET', `/${id}/input_items?order=asc`)).body
  t.deepEqual(
    all.data.map(({ role, content }: { role: string; content: { text: string }[] }) => [role, content[0]?.text]),
    [
      ['user', 'Hello'],
      ['assistant', first.output[0].content[0].text],
      ['user', 'one'],
      ['user', 'two'],
      ['user', 'three'],
    ],
  )
  t.like(all, { object: 'list', first_id: all.data[0].id, last_id: all.data[4].id, has_more: false })
  const page = (await ask('GET', `/${id}/input_items?limit=2`)).body
  t.deepEqual(page.data, all.data.slice(3).reverse())
  t.true(page.has_more)
  const next = (await ask('GET', `/${id}/input_items?limit=4&after=${page.last_id}`)).body
  t.deepEqual(next.data, all.data.slice(0, 3).reverse())
  t.false(next.has_more)
  for (const [query, param] of [
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=x', 'limit'],
    ['order=up', 'order'],
    ['after=nothing', 'after'],
  ]) {
    const { status, body } = await ask('GET', `/${id}/input_items?${query}`)
    t.is(status, 400, query)
    t.is(body.error.param, param)
  }
})

test.serial('in the background: polled to its end, the same as whole', async t => {
  const { status, body } = await server.post(PATH, { ...hello, background: true })
  t.is(status, 200)
  t.like(body, { status: 'queued', background: true, output: [] })
  const end = await ended(body.id)
  const whole = (await server.post(PATH, hello)).body
  t.is(end.output[0].content[0].text, whole.output[0].content[0].text)
  t.is(end.status, 'incomplete')
  t.deepEqual((await ask('POST', `/${body.id}/cancel`)).body, end)
  t.true(await allFree(server.engine))
})

test.serial('in the background: cancelled, and its blocks are free', async t => {
  const { id } = (await server.post(PATH, { ...long, background: true })).body
  const early = await server.post(PATH, { ...hello, previous_response_id: id })
  t.is(early.status, 400)
  t.regex(early.body.error.message, /not ended/)
  const { status, body } = await ask('POST', `/${id}/cancel`)
  t.is(status, 200)
  t.is(body.status, 'cancelled')
  t.true(await allFree(server.engine))
  t.is((await ask('GET', `/${id}`)).body.status, 'cancelled')
  t.is((await ask('POST', `/${id}/cancel`)).body.status, 'cancelled')
})

test.serial('in the background: deleted, and its blocks are free', async t => {
  const { id } = (await server.post(PATH, { ...long, background: true })).body
  t.is((await ask('DELETE', `/${id}`)).status, 200)
  t.true(await allFree(server.engine))
  t.is((await ask('GET', `/${id}`)).status, 404)
})

test.serial('only what runs in the background can be cancelled', async t => {
  const { id } = (await server.post(PATH, hello)).body
  const { status, body } = await ask('POST', `/${id}/cancel`)
  t.is(status, 400)
  t.regex(body.error.message, /background/)
})

test.serial('in the background and streamed: it outlives its reader, and is read again from any event on', async t => {
  const controller = new AbortController()
  const asked = { ...hello, max_output_tokens: 60, ignore_eos: true, background: true, stream: true }
  const response = await server.send(PATH, asked, {}, controller.signal)
  const reader = response.body?.getReader()
  const first = new TextDecoder().decode((await reader?.read())?.value)
  const { id } = JSON.parse(/^data: (.*)$/m.exec(first)?.[1] ?? '').response
  controller.abort()
  const followed = await eventsOf(await get(`/${id}?stream=true`))
  const end = await ended(id)
  t.deepEqual(
    followed.map(({ sequence_number: number }) => number),
    followed.map((_, index) => index),
  )
  t.deepEqual(
    followed.slice(0, 3).map(({ type }) => type),
    ['response.created', 'response.queued', 'response.in_progress'],
  )
  t.is(end.usage.output_tokens, 60)
  t.deepEqual(followed.at(-1)?.response, end)
  for (const after of [0, 1, 2, 3, 7, followed.length - 2, followed.length - 1, followed.length + 5]) {
    const rest = await eventsOf(await get(`/${id}?stream=true&starting_after=${after}`))
    t.deepEqual(rest, followed.slice(after + 1), String(after))
  }
  t.is((await ask('GET', `/${id}?stream=true&starting_after=x`)).status, 400)
  const other = (await server.post(PATH, hello)).body
  t.regex((await ask('GET', `/${other.id}?stream=true`)).body.error.message, /background/)
})

test.serial('a reader of the stream that leaves ends what is not in the background', async t => {
  const controller = new AbortController()
  const response = await server.send(PATH, { ...long, stream: true }, {}, controller.signal)
  const reader = response.body?.getReader()
  await reader?.read()
  controller.abort()
  t.true(await allFree(server.engine))
})

test.serial('a server that keeps nothing', async t => {
  const none = await TestHandler.create({ maxStoredResponses: 0 })
  try {
    const { status, body } = await none.post(PATH, hello)
    t.is(status, 200)
    t.is((await ask('GET', `/${body.id}`, none)).status, 404)
    t.is((await none.post(PATH, { ...hello, background: true })).status, 400)
  } finally {
    await none.engine.close()
  }
})

test.serial('the oldest leaves, and takes its run along', async t => {
  const two = await TestHandler.create({ maxStoredResponses: 2 })
  try {
    const running = (await two.post(PATH, { ...long, background: true })).body
    const ids = []
    for (let count = 0; count < 2; count += 1) ids.push((await two.post(PATH, hello)).body.id)
    t.is((await ask('GET', `/${running.id}`, two)).status, 404)
    t.true(await allFree(two.engine))
    for (const id of ids) t.is((await ask('GET', `/${id}`, two)).status, 200)
    t.is((await ask('GET', `/${ids[0]}`)).status, 404, 'servers share nothing')
  } finally {
    await two.engine.close()
  }
})

test.serial('bytes are bounded: what is kept is what the sum says', async t => {
  const { body } = await server.post(PATH, hello)
  const one = (id: string, text: string) => ({
    body: { ...body, id, output: [] },
    items: [
      { type: 'message' as const, id: `msg_${id}`, role: 'user' as const, content: [{ type: 'input_text', text }] },
    ],
  })
  const maxBytes = 50_000
  const store = new ResponseStore({ maxResponses: 1000, maxBytes })
  for (let count = 0; count < 300; count += 1) {
    store.put(one(String(count), 'x'.repeat((count * 37) % 900)), true)
    t.true(store.bytes <= maxBytes)
    if (count % 3 === 0) store.grow(String(count), 100)
    if (count % 7 === 0) store.delete(String(count))
    if (count % 5 === 0) store.put(one(String(count), 'y'), false)
    t.true(store.bytes <= maxBytes)
  }
  t.true(store.size > 10)
  t.is(store.item('msg_0'), undefined)
  t.like(store.item('msg_299'), { type: 'message' })
  store.put(one('large', 'x'.repeat(maxBytes)), true)
  t.is(store.size, 0)
  t.is(store.bytes, 0)
})
