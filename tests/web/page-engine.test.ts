// The page's side and the Worker's of an engine on the web, with the addons in place of WebAssembly: what crosses between them,
// and who hears of what goes wrong. In a real browser: `browser.test.ts`.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { bundledModelDirectory } from '../../ts/dist/config/node.js'
import type { WebEngineOptions } from '../../ts/dist/web/web-options.js'
import { nodeRuntime, PageEngine, type RuntimeOptions } from './node-runtime.js'
import { StaticServer } from './static-server.js'

// Node 20 has none.
;(globalThis as { navigator?: object }).navigator ??= { onLine: true }

const MODEL = bundledModelDirectory()
const GREEDY = { temperature: 0, maxTokens: 12 }

let server: StaticServer
test.before(async () => {
  server = await StaticServer.start({ model: MODEL })
})
test.after.always(() => server?.close())

function make(options: Partial<WebEngineOptions> = {}, runtime: Partial<RuntimeOptions> = {}) {
  return PageEngine.create(
    { model: 'model/', storage: 'none', seed: 1, ...options },
    nodeRuntime({ baseUrl: server.url, ...runtime }),
  )
}

async function textOf(engine: PageEngine, prompt: string, params: object = GREEDY): Promise<string> {
  let text = ''
  for await (const { outputs } of engine.generate({ prompt, params: { outputKind: 'delta', ...params } }))
    text += outputs[0]?.text ?? ''
  return text
}

test('a prompt goes through the Worker and comes back as text', async t => {
  const progress: number[] = []
  await using engine = await make({ onProgress: fraction => progress.push(fraction) })
  t.regex(await textOf(engine, 'Once upon a time'), /\w+ \w+/)
  t.is(progress.at(-1), 1)
  t.deepEqual(
    progress,
    progress.toSorted((a, b) => a - b),
  )
  t.is(engine.stats().numRunning, 0)
})

test('an option that needs a file system is refused by name', async t => {
  for (const name of ['packedWeightsCache', 'imatrix', 'cacheDir']) {
    const options = { [name]: 'folder' } as Partial<WebEngineOptions>
    const error = await t.throwsAsync(make(options), { code: 'ERR_INVALID_ARGUMENT' })
    t.is(error?.message.includes(`\`${name}\` means nothing on a web page`), true, error?.message)
  }
})

test('many prompts run at once, say what they say alone, and share a prefix', async t => {
  await using engine = await make()
  const prompts = Array.from(
    { length: 6 },
    (_, index) => `Once upon a time there was a girl who liked to play in the park with her dog and ${index}`,
  )
  const together = await Promise.all(prompts.map(prompt => textOf(engine, prompt)))
  const alone = []
  for (const prompt of prompts) alone.push(await textOf(engine, prompt))
  t.deepEqual(together, alone)
  t.true(engine.stats().prefixCacheHits > 0)
})

test('structured output, signals and long texts', async t => {
  await using engine = await make()
  const json = {
    type: 'object',
    properties: { ok: { type: 'boolean' } },
    required: ['ok'],
    additionalProperties: false,
  }
  const object = await textOf(engine, 'Say', { temperature: 1, maxTokens: 100, structuredOutputs: { json } })
  t.is(typeof JSON.parse(object).ok, 'boolean')

  const controller = new AbortController()
  const stopped = await t.throwsAsync(async () => {
    const request = { prompt: 'Once', params: { maxTokens: 400, ignoreEos: true } }
    for await (const _ of engine.generate(request, { signal: controller.signal })) controller.abort()
  })
  t.is(codeOf(stopped), 'ERR_ABORTED')

  const long = 'Once upon a time. '.repeat(500)
  const [ids] = await engine.encode([long], true)
  const [first] = await engine.encode([long.slice(0, 18)], true)
  t.true((ids?.length ?? 0) > 1000)
  t.deepEqual(ids?.slice(0, 4), first?.slice(0, 4))
  t.is(engine.decode(ids ?? []).trim(), long.trim())
})

test('a Worker that ends is an error for everybody who waits', async t => {
  const runtime = nodeRuntime({ baseUrl: server.url })
  const engine = await PageEngine.create({ model: 'model/', storage: 'none' }, runtime)
  const request = { prompt: 'Once', params: { maxTokens: 400, ignoreEos: true } }
  const error = await t.throwsAsync(async () => {
    for await (const _ of engine.generate(request)) runtime.kill()
  })
  t.is(codeOf(error), 'ERR_WORKER')
  t.is(engine.health().status, 'dead')
  t.is(codeOf(await t.throwsAsync(async () => engine.encode(['x'.repeat(5000)], true))), 'ERR_CLOSED')
  t.is(
    codeOf(t.throws(() => engine.add({ requestId: 'a', promptTokenIds: [1], params: engine.defaultSamplingParams }))),
    'ERR_CLOSED',
  )
  await engine.close()
})

test('files, and a directory, are models too', async t => {
  const files = readdirSync(MODEL, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => new File([readFileSync(join(entry.parentPath, entry.name))], entry.name))
  await using engine = await make({ model: files })
  await using addressed = await make()
  t.is(await textOf(engine, 'Once'), await textOf(addressed, 'Once'))
})

interface Refusal {
  readonly title: string
  readonly options?: Partial<WebEngineOptions>
  readonly runtime?: Partial<RuntimeOptions>
  readonly code: string
  readonly message: RegExp
}

const refusals: readonly Refusal[] = [
  {
    title: 'no model',
    options: { model: undefined as unknown as string },
    code: 'ERR_INVALID_ARGUMENT',
    message: /model/,
  },
  { title: 'a number', options: { model: 7 as unknown as string }, code: 'ERR_INVALID_ARGUMENT', message: /address/ },
  { title: 'another scheme', options: { model: 'ftp://host/model' }, code: 'ERR_INVALID_ARGUMENT', message: /address/ },
  {
    title: 'a folder that is not there',
    options: { model: './nothing/' },
    code: 'ERR_MODEL_NOT_FOUND',
    message: /config\.json/,
  },
  { title: 'no file', options: { model: [] }, code: 'ERR_MODEL_NOT_FOUND', message: /config\.json/ },
  {
    title: 'an option of Node',
    options: { device: 'cpu' } as object,
    code: 'ERR_INVALID_ARGUMENT',
    message: /web page/,
  },
  { title: 'an unknown option', options: { modle: 1 } as object, code: 'ERR_INVALID_ARGUMENT', message: /modle/ },
  {
    title: 'a checksum that is none',
    options: { sha256: { x: '1' } },
    code: 'ERR_INVALID_ARGUMENT',
    message: /SHA-256/,
  },
  { title: 'offline, and nothing kept', options: { offline: true }, code: 'ERR_HUB_OFFLINE', message: /offline/ },
  { title: 'no port there', options: { model: 'http://127.0.0.1:1/m/' }, code: 'ERR_HUB_DOWNLOAD', message: /CORS/ },
  {
    title: 'memory that is full',
    runtime: { usedBytes: 2 ** 32 - 2 ** 27 },
    code: 'ERR_OUT_OF_MEMORY',
    message: /GiB/,
  },
]

for (const { title, options, runtime, code, message } of refusals) {
  test.serial(`refused before a byte of weights is loaded: ${title}`, async t => {
    const before = server.requests.length
    const error = await t.throwsAsync(make(options, runtime))
    t.is(codeOf(error), code, error?.message)
    t.regex(error?.message ?? '', message)
    t.deepEqual(weightsAskedSince(before), [])
  })
}

test.serial('loading is stopped by a signal', async t => {
  const controller = new AbortController()
  const loading = make({ signal: controller.signal, onDownload: () => controller.abort(new Error('enough')) })
  const error = await t.throwsAsync(loading)
  t.is(codeOf(error), 'ERR_ABORTED')
})

function weightsAskedSince(index: number): readonly string[] {
  return server.requests
    .slice(index)
    .filter(({ method, path }) => method === 'GET' && path.endsWith('.safetensors'))
    .map(({ path }) => path)
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code
}
