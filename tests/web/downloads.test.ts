// Models on their way into a real browser's storage: ranges, cuts, what is continued, and what is refused.

import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import anyTest, { type ExecutionContext } from 'ava'
import { build } from 'esbuild'
import type { Page } from 'playwright-core'
import { findChromium, TestBrowser } from '../ui/browser.js'
import { StaticServer } from './static-server.js'

const chromium = findChromium(process.env)
const why = chromium === undefined ? ' (there is no Chromium: set QUIRE_CHROMIUM, or put one on the PATH)' : ''
const run = chromium === undefined ? anyTest.skip : anyTest.serial

const SIZE = 300_000
const bytes = randomBytes(SIZE)
const digest = createHash('sha256').update(bytes).digest('hex')
const folder = mkdtempSync(join(tmpdir(), 'quire-downloads-'))

let browser: TestBrowser
let server: StaticServer
if (chromium !== undefined) {
  anyTest.before(async () => {
    writeFileSync(join(folder, 'file.bin'), bytes)
    writeFileSync(join(folder, 'model.safetensors'), bytes)
    writeFileSync(join(folder, 'config.json'), '{"a":1}')
    writeFileSync(join(folder, 'page.html'), '<!doctype html><title>downloads</title>')
    await build({
      entryPoints: [fileURLToPath(new URL('download-worker.ts', import.meta.url))],
      outfile: join(folder, 'worker.js'),
      bundle: true,
      format: 'esm',
      platform: 'browser',
    })
    server = await StaticServer.start({ files: folder })
    browser = await TestBrowser.launch(chromium)
  })
  anyTest.after.always(async () => {
    await browser?.close()
    await server?.close()
    rmSync(folder, { recursive: true, force: true })
  })
}

interface Reply {
  // biome-ignore lint/suspicious/noExplicitAny: whatever the call gives
  readonly value?: any
  readonly error?: { readonly code?: string; readonly message: string; readonly details?: { readonly reason?: string } }
}

interface Client {
  readonly page: Page
  readonly url: string
  call(name: string, ...values: readonly unknown[]): Promise<Reply>
}

function test(title: string, body: (t: ExecutionContext, client: Client) => Promise<void>): void {
  run(title + why, async t => {
    server.intercept = undefined
    server.ranges = true
    const { page } = await browser.visit(`${server.url}files/page.html`)
    try {
      await page.evaluate(`
        globalThis.worker = new Worker('worker.js', { type: 'module' })
        globalThis.calls = 0
        globalThis.call = (name, values) => new Promise(resolve => {
          const id = ++calls
          worker.addEventListener('message', ({ data }) => data.id === id && resolve(data))
          worker.addEventListener('error', event => resolve({ error: { message: event.message } }))
          worker.postMessage({ id, name, values })
        })
      `)
      server.requests.length = 0
      await body(t, {
        page,
        url: `${server.url}files/`,
        call: (name, ...values) => page.evaluate(`call(${JSON.stringify(name)}, ${JSON.stringify(values)})`),
      })
    } finally {
      await page.context().close()
    }
  })
}

const JOB = { byteLength: SIZE, sha256: digest }

test('a file comes in parts side by side, and is compared with its checksum', async (t, { url, call }) => {
  const { value, error } = await call('download', `${url}file.bin`, JOB, 64_000)
  t.is(error, undefined)
  t.deepEqual(value, { received: SIZE, restarts: 0, verified: 1, digest })
  const parts = server.requests.filter(({ path }) => path.endsWith('file.bin')).map(({ range }) => range)
  t.deepEqual(parts.toSorted(), [
    'bytes=0-63999',
    'bytes=128000-191999',
    'bytes=192000-255999',
    'bytes=256000-299999',
    'bytes=64000-127999',
  ])
  // It is there now.
  const before = server.requests.length
  t.is((await call('download', `${url}file.bin`, JOB, 64_000)).value.digest, digest)
  t.is(server.requests.length, before)
})

test('a connection that is cut is taken up where it was', async (t, { page, url, call }) => {
  let cuts = 0
  const held: ServerResponse[] = []
  server.intercept = (request, response) => {
    const [, from] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    if (from === undefined || cuts >= 4) return false
    cuts += 1
    response.writeHead(206, { 'content-range': `bytes ${from}-${SIZE - 1}/${SIZE}` })
    response.write(bytes.subarray(Number(from), Number(from) + 10_000))
    held.push(response)
    return true
  }
  const downloading = call('download', `${url}file.bin`, JOB, 150_000)
  // A connection is cut when what it brought has been taken.
  while (cuts < 4 || held.length > 0) {
    if ((await call('received')).value === 10_000 * cuts) for (const response of held.splice(0)) response.destroy()
    await page.waitForTimeout(20)
  }
  const { value, error } = await downloading
  t.is(error, undefined)
  t.is(value.digest, digest)
  t.is(value.received, SIZE)
  t.true(
    server.requests.some(({ range }) => range === 'bytes=10000-149999'),
    JSON.stringify(server.requests),
  )
})

test('another page load goes on from what one left behind', async (t, { page, url, call }) => {
  server.intercept = (request, response) => {
    if (request.headers.range !== 'bytes=100000-199999') return false
    response.writeHead(206, { 'content-range': `bytes 100000-199999/${SIZE}` })
    response.write(bytes.subarray(100_000, 130_000))
    return true // and nothing more
  }
  const first = call('download', `${url}file.bin`, JOB, 100_000)
  await page.waitForResponse(response => response.request().headers().range === 'bytes=200000-299999')
  while ((await call('cached')).value[0]?.byteLength < SIZE) await page.waitForTimeout(20)
  await call('abort')
  t.is((await first).error?.code, 'ERR_ABORTED')

  server.intercept = undefined
  server.requests.length = 0
  await page.reload()
  await page.evaluate(`
    globalThis.worker = new Worker('worker.js', { type: 'module' })
    globalThis.call = (name, values) => new Promise(resolve => {
      worker.addEventListener('message', ({ data }) => resolve(data))
      worker.postMessage({ id: 1, name, values })
    })
  `)
  const { value } = await call('download', `${url}file.bin`, JOB, 100_000)
  t.is(value.digest, digest)
  const asked = server.requests.filter(({ path }) => path.endsWith('file.bin')).map(({ range }) => range)
  t.is(asked.length, 1, JSON.stringify(asked))
  t.regex(asked[0] ?? '', /^bytes=1\d{5}-199999$/)
})

test('a server without ranges gives the whole file', async (t, { url, call }) => {
  server.ranges = false
  const { value, error } = await call('download', `${url}file.bin`, JOB, 100_000)
  t.is(error, undefined)
  t.is(value.digest, digest)
  t.is(value.restarts, 1)
})

test('content with another checksum is refused, and not kept', async (t, { url, call }) => {
  const { error } = await call('download', `${url}file.bin`, { ...JOB, sha256: '0'.repeat(64) }, 100_000)
  t.is(error?.code, 'ERR_HUB_DOWNLOAD')
  t.is(error?.details?.reason, 'checksum')
  t.is((await call('cached')).value[0]?.byteLength ?? 0, 0)
})

test('a quota that is used up is told as such', async (t, { page, url, call }) => {
  const session = await page.context().newCDPSession(page)
  await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(url).origin, quotaSize: 100_000 })
  const { error } = await call('download', `${url}file.bin`, JOB, 400_000)
  t.is(error?.code, 'ERR_DISK_FULL', error?.message)
  t.regex(error?.message ?? '', /storage: 'none'/)
})

for (const [status, code] of [
  [403, 'ERR_HUB_UNAUTHORIZED'],
  [418, 'ERR_HUB_DOWNLOAD'],
  [404, 'ERR_HUB_NOT_FOUND'],
] as const) {
  test(`a status of ${status} is ${code}`, async (t, { url, call }) => {
    server.intercept = (_, response, path) => path.endsWith('file.bin') && Boolean(response.writeHead(status).end())
    t.is((await call('download', `${url}file.bin`, JOB, 400_000)).error?.code, code)
  })
}

const NAMES = ['config.json', 'tokenizer.json', 'model.safetensors']

test('a folder is fetched once, and then taken from storage, without a network too', async (t, { page, url, call }) => {
  const first = await call('load', url, NAMES, {})
  t.is(first.error, undefined)
  t.is(first.value.digests['model.safetensors'], digest)
  t.deepEqual(Object.keys(first.value.digests), ['config.json', 'model.safetensors'])
  t.is(first.value.phases.at(-1), 'done')
  server.requests.length = 0
  const second = await call('load', url, NAMES, {})
  t.deepEqual(second.value.digests, first.value.digests)
  t.false(server.requests.some(({ method, path }) => method === 'GET' && path.endsWith('.safetensors')))
  await page.context().setOffline(true)
  t.deepEqual((await call('load', url, NAMES, {})).value?.digests, first.value.digests)
  await page.context().setOffline(false)
  server.requests.length = 0
  t.deepEqual((await call('load', url, NAMES, { offline: true })).value?.digests, first.value.digests)
  t.deepEqual(server.requests, [])
  t.is((await call('cached')).value[0].url, url)
  // What was kept without a checksum is compared once there is one.
  const wrong = { sha256: { 'model.safetensors': '0'.repeat(64) } }
  t.is((await call('load', url, NAMES, { ...wrong, offline: true })).error?.code, 'ERR_HUB_OFFLINE')
  t.is((await call('load', url, NAMES, wrong)).error?.details?.reason, 'checksum')
  t.is((await call('forget')).value, true)
  t.deepEqual((await call('cached')).value, [])
})

test('offline, with nothing kept, is told as such', async (t, { page, url, call }) => {
  await page.context().setOffline(true)
  t.is((await call('load', url, NAMES, {})).error?.code, 'ERR_HUB_OFFLINE')
})

test('without storage a file streams from the network, on from where it was cut off', async (t, {
  page,
  url,
  call,
}) => {
  let isFirst = true
  let cut = () => {}
  server.intercept = (request, response, path) => {
    if (!path.endsWith('.safetensors') || request.method !== 'GET' || !isFirst) return false
    isFirst = false
    response.writeHead(200, { 'content-length': SIZE })
    response.write(bytes.subarray(0, 50_000))
    cut = () => response.destroy()
    return true
  }
  const loading = call('load', url, NAMES, { storage: 'none' })
  while ((await call('received')).value < 50_000) await page.waitForTimeout(20)
  cut()
  const { value, error } = await loading
  t.is(error, undefined)
  t.is(value.digests['model.safetensors'], digest)
  t.true(server.requests.some(({ range }) => range === `bytes=50000-${SIZE - 1}`))
  t.deepEqual((await call('cached')).value, [])
})

test('what the app put into Cache storage is not asked for', async (t, { page, url, call }) => {
  await page.evaluate(`caches.open('app').then(cache => cache.add(${JSON.stringify(`${url}model.safetensors`)}))`)
  server.requests.length = 0
  const { value } = await call('load', url, NAMES, {})
  t.is(value.digests['model.safetensors'], digest)
  t.false(server.requests.some(({ path }) => path.endsWith('.safetensors')))
})

test('a server that answers every address with its page has no such file', async (t, { url, call }) => {
  server.intercept = (_, response, path) =>
    path.endsWith('tokenizer.json') && Boolean(response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'))
  const { value, error } = await call('load', url, NAMES, {})
  t.is(error, undefined)
  t.deepEqual(Object.keys(value.digests), ['config.json', 'model.safetensors'])
})
