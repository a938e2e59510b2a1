// Connections that are many, slow, large, malformed or encrypted: each gets its answer, and the others go on.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { NodeServer } from '../../ts/src/server/index.js'
import { CERT, KEY } from './localhost-certificate.js'
import { posted, RawClient } from './raw-client.js'
import { completion, isIdle, serveFake, textOf, until } from './served-engine.js'

async function client(t: ExecutionContext, { port }: NodeServer): Promise<RawClient> {
  const made = await RawClient.connect({ port, host: '127.0.0.1' })
  t.teardown(() => made.socket.destroy())
  return made
}

async function completes(url: string, fields: object = {}): Promise<number> {
  const response = await fetch(`${url}/v1/completions`, completion(fields))
  return JSON.parse(await response.text()).usage?.completion_tokens ?? response.status
}

const slowStep = (ms: number) => ({ onStep: () => new Promise<void>(resolve => setTimeout(resolve, ms)) })

// Those with limits in time run before the others, which keep this thread busy.

test.serial('headers that come a byte at a time are cut off; others are served meanwhile', async t => {
  const { server, url } = await serveFake(t, { headersTimeoutMs: 4000 })
  const slow = await Promise.all(Array.from({ length: 50 }, () => client(t, server)))
  const timer = setInterval(() => {
    for (const one of slow) if (!one.isClosed) one.write('X')
  }, 50)
  t.teardown(() => clearInterval(timer))
  for (const one of slow) one.write('GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')
  t.is(await completes(url), 8)
  await until('all are cut off', () => slow.every(({ isClosed }) => isClosed))
  clearInterval(timer)
  for (const { received } of slow)
    t.regex(received, /^HTTP\/1\.1 408 [\s\S]*"message":"The request did not come in time\."/)
  t.is(await completes(url), 8)
})

test.serial('a body that comes a byte at a time is refused when its time is over', async t => {
  const { server, url } = await serveFake(t, { bodyTimeoutMs: 3000 })
  const slow = await client(t, server)
  slow.write(
    'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n',
  )
  const timer = setInterval(() => slow.write(' '), 50)
  t.teardown(() => clearInterval(timer))
  await until('it is refused', () => slow.received.includes('\r\n\r\n'))
  clearInterval(timer)
  t.regex(slow.received, /^HTTP\/1\.1 408 /)
  t.is(await completes(url), 8)
})

test('a connection that says nothing is closed', async t => {
  const { server } = await serveFake(t, { headersTimeoutMs: 300 })
  const silent = await client(t, server)
  await until('it is closed', () => silent.isClosed)
  t.pass()
})

test.serial('a reader that takes nothing of a large reply is given up; one that is slow is not', async t => {
  const { server } = await serveFake(t, { stallTimeoutMs: 3000 })
  // More than the system buffers for one connection.
  const large = JSON.stringify({ prompt: 'a b '.repeat(1 << 19) })
  const [stopped, slow] = [await client(t, server), await client(t, server)]
  for (const one of [stopped, slow]) {
    one.stopReading()
    one.write(posted('/tokenize', large))
  }
  const timer = setInterval(() => {
    slow.readOn()
    setTimeout(() => slow.stopReading(), 5)
  }, 20) // far more often than the server wants to see
  t.teardown(() => clearInterval(timer))
  await until('the slow one has all', () => slow.received.endsWith('}'))
  clearInterval(timer)
  await until('both are over', () => server.core.dispatcher.numInFlight === 0)
  stopped.readOn()
  await until('the stopped one is closed', () => stopped.isClosed)
  const [head = ''] = stopped.received.split('\r\n\r\n')
  const length = Number(/content-length: (\d+)/.exec(head)?.[1])
  t.true(stopped.received.length < head.length + 4 + length)
})

test('bodies of 10 MiB are taken, and others are served meanwhile', async t => {
  const { url, engine } = await serveFake(t)
  const large = completion({ ignored: 'x'.repeat(10 << 20) })
  const replies = Array.from({ length: 4 }, () => fetch(`${url}/v1/completions`, large))
  t.is(await completes(url), 8)
  for (const reply of await Promise.all(replies)) t.is(reply.status, 200)
  const tooLong = await fetch(`${url}/v1/completions`, completion({ prompt: 'word '.repeat(2 << 20) }))
  t.is(tooLong.status, 400)
  t.is(JSON.parse(await tooLong.text()).error.code, 'context_length_exceeded')
  await until('all blocks are free', () => isIdle(engine))
})

test('a body that is too large is refused before it is sent, and while it is', async t => {
  const { server, url } = await serveFake(t, { maxBodyBytes: 10_000 })
  const waiting = await client(t, server)
  waiting.write(
    'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20000\r\nExpect: 100-continue\r\n\r\n',
  )
  await until('it is refused', () => waiting.received.includes('larger than'))
  t.regex(waiting.received, /^HTTP\/1\.1 413 /)
  const welcome = await client(t, server)
  const { body } = completion()
  welcome.write(
    `POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
  )
  await until('it may go on', () => welcome.received.startsWith('HTTP/1.1 100 Continue'))
  welcome.write(body)
  await until('its reply', () => welcome.received.includes('"completion_tokens":8'))
  const chunked = await client(t, server)
  chunked.write(
    'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  for (let count = 0; count < 30; count += 1) chunked.write(`3e8\r\n${' '.repeat(1000)}\r\n`)
  await until('it is refused', () => chunked.received.includes('larger than'))
  t.regex(chunked.received, /^HTTP\/1\.1 413 /)
  t.is(await completes(url), 8)
})

const malformed: readonly (readonly [string, string, RegExp])[] = [
  ['no HTTP', 'hello there\r\n\r\n', /^HTTP\/1\.1 400 [\s\S]*not valid HTTP/],
  ['bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00', /^HTTP\/1\.1 400 /],
  ['no host', 'GET /health HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
  [
    'headers that are too large',
    `GET /health HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(100_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 [\s\S]*too large/,
  ],
  [
    'too many headers',
    `GET /health HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(400)}\r\n`,
    /^HTTP\/1\.1 431 [\s\S]*more than 256 headers/,
  ],
  [
    'two lengths',
    'POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
    /^HTTP\/1\.1 400 /,
  ],
  [
    'length and chunks',
    'POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  [
    'a length that is none',
    'POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  [
    'the absolute form',
    'GET http://localhost/version HTTP/1.1\r\nHost: localhost\r\n\r\n',
    /^HTTP\/1\.1 200 [\s\S]*"version"/,
  ],
  ['a path that climbs', 'GET /v1/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n', /^HTTP\/1\.1 404 /],
  ['no path', 'GET nonsense HTTP/1.1\r\nHost: localhost\r\n\r\n', /^HTTP\/1\.1 40[04] /],
]
for (const [title, bytes, answer] of malformed) {
  test(`answered: ${title}`, async t => {
    const { server, url } = await serveFake(t)
    const one = await client(t, server)
    one.write(bytes)
    await until('an answer', () => one.received.includes('\r\n\r\n'))
    await until('its body', () => one.isClosed || answer.test(one.received))
    t.regex(one.received, answer)
    t.is(await completes(url), 8)
  })
}

test('1,000 connections at once are served, each its stream', async t => {
  const { server, engine } = await serveFake(t, { maxQueue: 1000 })
  const clients = await Promise.all(Array.from({ length: 1000 }, () => client(t, server)))
  for (const one of clients) one.write(posted('/v1/completions', completion({ max_tokens: 4, stream: true }).body))
  await until('all streams end', () => clients.every(({ received }) => received.endsWith('0\r\n\r\n')), 120_000)
  const texts = new Set(clients.map(({ received }) => textOf(received.replace(/\r\n[0-9a-f]+\r\n/g, ''))))
  t.is(texts.size, 1)
  t.true(clients.every(({ isClosed }) => !isClosed))
  await until('all blocks are free', () => isIdle(engine))
})

test('beyond the queue requests get 429 with Retry-After; those in it are served', async t => {
  const { url, engine } = await serveFake(t, { maxNumSeqs: 4, maxQueue: 8 })
  // Until all have come, none ends.
  await engine.pause('keep')
  let numAnswered = 0
  const asked = Array.from({ length: 40 }, async () => {
    const response = await fetch(`${url}/v1/completions`, completion({ max_tokens: 20 }))
    numAnswered += 1
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      body: JSON.parse(await response.text()),
    }
  })
  await until('what is too much is refused', () => numAnswered === 28)
  engine.resume()
  const replies = await Promise.all(asked)
  const refused = replies.filter(({ status }) => status === 429)
  t.is(replies.filter(({ status }) => status === 200).length, 12)
  t.is(refused.length, 28)
  for (const { retryAfter, body } of refused) {
    t.is(retryAfter, '1')
    t.is(body.error.type, 'RateLimitError')
  }
  t.is(await completes(url), 8)
  const several = await fetch(`${url}/v1/completions`, completion({ n: 13, temperature: 1 }))
  t.is(several.status, 429)
  await until('all blocks are free', () => isIdle(engine))
})

test('more connections than allowed are closed, and those that are there go on', async t => {
  const { server } = await serveFake(t, { maxConnections: 5 })
  const clients = await Promise.all(Array.from({ length: 8 }, () => client(t, server)))
  await until('three are closed', () => clients.filter(({ isClosed }) => isClosed).length === 3)
  const open = clients.filter(({ isClosed }) => !isClosed)
  for (const one of open) one.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until('five are answered', () => open.every(({ received }) => received.startsWith('HTTP/1.1 200')))
  t.is(open.length, 5)
})

test('a unix socket is listened on, and gone afterwards', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'quire-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const uds = join(folder, 'server.sock')
  const { server } = await serveFake(t, { uds })
  t.is(server.url, `unix:${uds}`)
  const { status, body } = await get(httpRequest, { socketPath: uds, path: '/version' })
  t.is(status, 200)
  t.regex(body, /"version"/)
  await server.close()
  t.throws(() => statSync(uds), { code: 'ENOENT' })
})

test('a unix socket that a killed server left is replaced, one that is served or no socket is not', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'quire-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const uds = join(folder, 'server.sock')
  const script = `require('node:net').createServer().listen(${JSON.stringify(uds)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  t.true(statSync(uds).isSocket())
  await serveFake(t, { uds })
  t.is((await get(httpRequest, { socketPath: uds, path: '/health' })).status, 200)
  await t.throwsAsync(serveFake(t, { uds }), { code: 'EADDRINUSE' })
  const file = join(folder, 'file')
  writeFileSync(file, 'mine')
  await t.throwsAsync(serveFake(t, { uds: file }), { code: 'EADDRINUSE' })
  t.true(statSync(file).isFile())
})

test('TLS: a client that knows the certificate is served, streams included', async t => {
  const { server, url } = await serveFake(t, { tls: { key: KEY, cert: CERT } })
  t.true(url.startsWith('https://'))
  const where = { host: 'localhost', port: server.port, ca: CERT }
  t.is((await get(tlsRequest, { ...where, path: '/health' })).status, 200)
  const { body, ...rest } = completion({ stream: true, max_tokens: 50 })
  const streamed = await get(tlsRequest, { ...where, ...rest, path: '/v1/completions' }, body)
  t.true(streamed.body.endsWith('data: [DONE]\n\n'))
  await t.throwsAsync(get(tlsRequest, { host: 'localhost', port: server.port, path: '/health' }), {
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  })
})

test('TLS: where clients need a certificate, one without is not served', async t => {
  const { server } = await serveFake(t, { tls: { key: KEY, cert: CERT, ca: CERT, requestCert: true } })
  const where = { host: 'localhost', port: server.port, ca: CERT, path: '/health' }
  await t.throwsAsync(get(tlsRequest, where))
  t.is((await get(tlsRequest, { ...where, key: KEY, cert: CERT })).status, 200)
})

test('closing without time ends what runs: streams with an error event, whole replies with 503', async t => {
  const { server, url, engine } = await serveFake(t, {}, slowStep(5))
  const stream = await fetch(`${url}/v1/completions`, completion({ max_tokens: 3000, stream: true }))
  const whole = fetch(`${url}/v1/completions`, completion({ max_tokens: 3000 }))
  await until('both run', () => engine.stats().numRunning === 2)
  await server.close()
  const text = await stream.text()
  t.regex(text, /"message":"The server is shutting down\."/)
  t.true(text.endsWith('data: [DONE]\n\n'))
  t.is((await whole).status, 503)
  await until('all blocks are free', () => isIdle(engine))
  await t.throwsAsync(fetch(`${url}/health`))
})

test('closing with time lets what runs come to its end, and takes nothing new', async t => {
  const { server, url, engine } = await serveFake(t)
  const kept = await client(t, server)
  kept.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until('it is answered', () => kept.received.startsWith('HTTP/1.1 200'))
  // Both are there before the server closes, and neither ends before that.
  await engine.pause('keep')
  const stream = await fetch(`${url}/v1/completions`, completion({ max_tokens: 100, stream: true }))
  const busy = await client(t, server)
  busy.write(
    posted('/v1/completions', completion({ max_tokens: 50 }).body) + posted('/v1/completions', completion().body),
  )
  await until('both are there', () => engine.numRequests >= 2)
  const closing = server.close({ timeoutMs: 600_000 })
  await t.throwsAsync(fetch(`${url}/health`))
  engine.resume()
  const text = await stream.text()
  t.true(text.endsWith('data: [DONE]\n\n'))
  t.notRegex(text, /error/)
  await closing
  t.regex(busy.received, /"completion_tokens":50/)
  t.true(kept.isClosed)
})

type Request = typeof httpRequest | typeof tlsRequest

function get(request: Request, options: object, body?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent: false, ...options }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
