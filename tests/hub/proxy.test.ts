// A hub behind a proxy: which proxy for which address, and a whole pull through one.

import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import test from 'ava'
import { resolveModel } from '../../ts/src/hub/index.js'
import { proxyFor } from '../../ts/src/hub/proxy-fetch.js'
import { hubCase, MODEL } from './hub-case.js'

const rows: readonly [string, Record<string, string>, string | undefined][] = [
  ['https://hub.org/x', {}, undefined],
  ['https://hub.org/x', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
  ['https://hub.org/x', { https_proxy: 'http://p:1' }, 'http://p:1'],
  ['https://hub.org/x', { https_proxy: 'http://low:1', HTTPS_PROXY: 'http://up:1' }, 'http://low:1'],
  ['https://hub.org/x', { HTTP_PROXY: 'http://p:1' }, undefined],
  ['http://hub.org/x', { HTTP_PROXY: 'p:1' }, 'http://p:1'],
  ['https://hub.org/x', { ALL_PROXY: 'http://p:1' }, 'http://p:1'],
  ['https://hub.org/x', { HTTPS_PROXY: '' }, undefined],
  ...['hub.org', '.org', '*.org', 'org', '*', 'a, hub.org', 'HUB.ORG', 'hub.org:443'].map(
    (list): [string, Record<string, string>, undefined] => [
      'https://hub.org/x',
      { HTTPS_PROXY: 'http://p:1', NO_PROXY: list },
      undefined,
    ],
  ),
  ...['hub.or', 'ub.org', 'hub.org:80', 'x.hub.org', ','].map((list): [string, Record<string, string>, string] => [
    'https://hub.org/x',
    { HTTPS_PROXY: 'http://p:1', NO_PROXY: list },
    'http://p:1',
  ]),
  ['http://[::1]:80/', { HTTP_PROXY: 'http://p:1', no_proxy: '::1' }, undefined],
]
for (const [url, env, expected] of rows) {
  test(`proxy for ${url} with ${JSON.stringify(env)}`, t => {
    t.is(proxyFor(new URL(url), env), expected)
  })
}

test('a proxy that is no address is refused, and its password is not told', async t => {
  const { options } = await hubCase(t)
  const env = { ...options.env, HTTP_PROXY: 'socks5://me:secret@p:1' }
  const error = await t.throwsAsync(resolveModel(MODEL, { ...options, env }), {
    code: 'ERR_INVALID_ARGUMENT',
    message: /HTTP_PROXY/,
  })
  t.notRegex(error?.message ?? '', /secret/)
})

test('a pull through a proxy, with its password, and past it', async t => {
  const { options, server } = await hubCase(t)
  const through: (string | undefined)[] = []
  const proxy = createServer()
  proxy.on('connect', (request, socket, head) => {
    through.push(request.headers['proxy-authorization'])
    const [host, port] = (request.url ?? '').split(':')
    const target = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      target.write(head)
      target.pipe(socket).pipe(target)
    })
    target.on('error', () => socket.destroy())
    socket.on('error', () => target.destroy())
    t.teardown(() => target.destroy())
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => proxy.close().closeAllConnections())
  const HTTP_PROXY = `http://me:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`
  await resolveModel(MODEL, { ...options, token: 'mine', env: { ...options.env, HTTP_PROXY } })
  t.true(through.length > 0)
  t.true(through.every(header => header === `Basic ${Buffer.from('me:secret').toString('base64')}`))
  t.true(server.asked.some(({ origin }) => origin === 'store'))
  through.length = 0
  await resolveModel(MODEL, { ...options, env: { ...options.env, HTTP_PROXY, NO_PROXY: '127.0.0.1' } })
  t.deepEqual(through, [])
})
