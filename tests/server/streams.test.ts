// Event streams on real sockets: readers that are slow, stopped or gone, and what that does to them and to the others.

import test, { type ExecutionContext } from 'ava'
import { posted, RawClient, unchunked } from './raw-client.js'
import {
  completion,
  eventsOf,
  handleFake,
  isIdle,
  type ServedEngine,
  StepGate,
  serveFake,
  textOf,
  until,
} from './served-engine.js'

const streamed = (maxTokens: number, more: object = {}) =>
  completion({ max_tokens: maxTokens, stream: true, ...more }).body

/** Steps of a millisecond, so that there is time to leave in between. */
const slowSteps = { onStep: () => new Promise<void>(resolve => setTimeout(resolve, 1)) }

async function wholeText({ url }: ServedEngine, maxTokens: number): Promise<string> {
  const response = await fetch(`${url}/v1/completions`, completion({ max_tokens: maxTokens }))
  return JSON.parse(await response.text()).choices[0].text
}

function client(t: ExecutionContext, { server }: ServedEngine): Promise<RawClient> {
  return RawClient.connect({ port: server.port, host: '127.0.0.1' }).then(made => {
    t.teardown(() => made.socket.destroy())
    return made
  })
}

test('a stream says what the whole reply says, in valid chunks, and the connection lives on', async t => {
  const served = await serveFake(t)
  const one = await client(t, served)
  one.write(posted('/v1/completions', streamed(200)))
  await until('the end', () => one.received.endsWith('0\r\n\r\n'))
  t.is(textOf(unchunked(one.received)), await wholeText(served, 200))
  one.received = ''
  one.write('GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until('the next reply', () => one.received.includes('"version"'))
  t.false(one.isClosed)
})

test('two streams on one connection, asked for at once, come one after the other', async t => {
  const served = await serveFake(t)
  const one = await client(t, served)
  one.write(posted('/v1/completions', streamed(50)) + posted('/v1/completions', streamed(20)))
  await until('both ends', () => one.received.split('[DONE]').length === 3 && one.received.endsWith('0\r\n\r\n'))
  const second = one.received.indexOf('HTTP/1.1', 1)
  t.is(textOf(unchunked(one.received.slice(0, second))), await wholeText(served, 50))
  t.is(textOf(unchunked(one.received.slice(second))), await wholeText(served, 20))
})

test('a client of HTTP/1.0 gets its stream without chunks', async t => {
  const served = await serveFake(t)
  const one = await client(t, served)
  one.write(posted('/v1/completions', streamed(20)).replace('HTTP/1.1', 'HTTP/1.0'))
  await until('the end', () => one.isClosed)
  t.is(textOf(Buffer.from(one.received, 'latin1').toString().split('\r\n\r\n')[1] ?? ''), await wholeText(served, 20))
})

/** Every chunk repeats it: those of a bulky request are more than system and server buffer for one connection. */
const modelNames: [string] = ['m'.repeat(8 << 10)]
const bulky = { n: 4, temperature: 1, seed: 7 }
const BULKY_TOKENS = 400

test('a reader that stops does not slow the others, and gets all when it reads on', async t => {
  const served = await serveFake(t, { stallTimeoutMs: 600_000, modelNames })
  const stopped = await client(t, served)
  stopped.stopReading()
  stopped.write(posted('/v1/completions', streamed(BULKY_TOKENS, bulky)))
  const others = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const response = await fetch(`${served.url}/v1/completions`, completion({ max_tokens: 200, stream: true }))
      return response.text()
    }),
  )
  const whole = await wholeText(served, 200)
  for (const other of others) t.is(textOf(other), whole)
  await until('all that it asked for is there', () => isIdle(served.engine))
  stopped.readOn()
  await until('the end of the stopped one', () => stopped.received.endsWith('0\r\n\r\n'))
  const body = unchunked(stopped.received)
  const same = await fetch(`${served.url}/v1/completions`, completion({ max_tokens: BULKY_TOKENS, ...bulky }))
  const { choices } = JSON.parse(await same.text())
  for (const { index, text } of choices) t.is(textOf(body, index), text)
  const events = eventsOf(body).length
  t.true(events < 4 * BULKY_TOKENS, `${events} events: deltas that waited have merged`)
})

test('a reader that stands still for too long is given up, and its blocks are free', async t => {
  const served = await serveFake(t, { stallTimeoutMs: 100, modelNames })
  const stopped = await client(t, served)
  stopped.stopReading()
  stopped.write(posted('/v1/completions', streamed(BULKY_TOKENS, bulky)))
  await until('its request has run', () => served.runner.steps.length > 0)
  await until('it is given up', () => served.server.core.dispatcher.numInFlight === 0)
  await until('its blocks are free', () => isIdle(served.engine))
  stopped.readOn()
  await until('its connection is closed', () => stopped.isClosed)
  t.false(stopped.received.includes('[DONE]'))
  t.is((await fetch(`${served.url}/health`)).status, 200)
})

test('a slow reader gets every token', async t => {
  const served = await serveFake(t)
  const slow = await client(t, served)
  slow.stopReading()
  slow.write(posted('/v1/completions', streamed(1000, { logprobs: 5 })))
  const timer = setInterval(() => {
    slow.readOn()
    setTimeout(() => slow.stopReading(), 1)
  }, 10)
  t.teardown(() => clearInterval(timer))
  await until('the end', () => slow.received.endsWith('0\r\n\r\n'))
  clearInterval(timer)
  t.is(textOf(unchunked(slow.received)), await wholeText(served, 1000))
})

const leavings: readonly (readonly [string, (client: RawClient) => void])[] = [
  ['closes its connection', ({ socket }) => socket.destroy()],
  ['resets its connection', ({ socket }) => socket.resetAndDestroy()],
  ['closes its half of the connection', ({ socket }) => socket.end()],
]
for (const [title, leave] of leavings) {
  for (const stream of [true, false]) {
    test(`a client that ${title} frees its blocks within one step (${stream ? 'stream' : 'whole reply'})`, async t => {
      const gate = new StepGate()
      const served = await serveFake(t, {}, gate)
      const one = await client(t, served)
      one.write(posted('/v1/completions', completion({ max_tokens: 2000, stream }).body))
      await until('it runs', () => served.engine.stats().numGeneratedTokens >= 2)
      gate.close()
      const begun = served.runner.steps.length
      await until('a step waits', () => served.runner.steps.length > begun)
      const before = served.runner.steps.length
      leave(one)
      await until('the engine knows', () => served.engine.numRequests === 0)
      gate.open()
      await until('its blocks are free', () => isIdle(served.engine))
      t.is(served.runner.steps.length, before, 'no step but the one in flight')
      await until('the reply is over', () => served.server.core.dispatcher.numInFlight === 0)
    })
  }
}

test('a client that leaves while it waits is forgotten', async t => {
  const served = await serveFake(t, {}, slowSteps)
  await served.engine.pause('keep')
  const one = await client(t, served)
  one.write(posted('/v1/completions', streamed(10)))
  await until('it waits', () => served.engine.numRequests === 1)
  one.socket.destroy()
  await until('it is forgotten', () => served.engine.numRequests === 0)
  served.engine.resume()
  t.is(await wholeText(served, 10), await wholeText(served, 10))
  t.is(served.engine.stats().prefixCacheQueries, 6, 'two prompts of three tokens, and no third')
})

test('64 streams, each cancelled at another token, leave nothing behind', async t => {
  const served = await serveFake(t, {}, slowSteps)
  const cancelled = Array.from({ length: 64 }, async (_, index) => {
    const controller = new AbortController()
    const response = await fetch(`${served.url}/v1/completions`, {
      ...completion({ max_tokens: 1000, stream: true }),
      signal: controller.signal,
    })
    const reader = response.body!.getReader()
    for (let chunk = 0; chunk < index % 16; chunk += 1) await reader.read()
    controller.abort()
  })
  await Promise.allSettled(cancelled)
  await until('all blocks are free', () => isIdle(served.engine))
  await until('all replies are over', () => served.server.core.dispatcher.numInFlight === 0)
  t.pass()
})

test('web stream: deltas merge while nobody reads, and cancelling frees the blocks', async t => {
  const { handler, engine } = await handleFake(t)
  const make = () =>
    handler(
      new Request('http://localhost/v1/completions', completion({ max_tokens: 1000, stream: true, logprobs: 20 })),
    )
  const response = await make()
  await new Promise(resolve => setTimeout(resolve, 300))
  const text = await response.text()
  const whole = await (
    await handler(new Request('http://localhost/v1/completions', completion({ max_tokens: 1000 })))
  ).text()
  t.is(textOf(text), JSON.parse(whole).choices[0].text)
  const other = await make()
  const reader = other.body!.getReader()
  await reader.read()
  await reader.cancel()
  await until('its blocks are free', () => isIdle(engine))
})

test('web stream: the signal of the request ends it', async t => {
  const { handler, engine } = await handleFake(t, {}, slowSteps)
  const controller = new AbortController()
  const request = new Request('http://localhost/v1/completions', {
    ...completion({ max_tokens: 3000, stream: true }),
    signal: controller.signal,
  })
  const response = await handler(request)
  const reader = response.body!.getReader()
  await reader.read()
  controller.abort()
  await t.throwsAsync(
    async () => {
      for (;;) if ((await reader.read()).done) return
    },
    { any: true },
  )
  await until('its blocks are free', () => isIdle(engine))
})

test('web stream: a reader that stands still is given up', async t => {
  const { handler, engine } = await handleFake(t, { stallTimeoutMs: 200 }, slowSteps)
  const response = await handler(
    new Request('http://localhost/v1/completions', completion({ max_tokens: 4000, stream: true, logprobs: 20 })),
  )
  await until('its blocks are free', () => isIdle(engine))
  await t.throwsAsync(response.text(), { any: true })
})
