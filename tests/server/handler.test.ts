// The handler without sockets: what is refused and how, who is let in, what pages of other origins may do.

import test from 'ava'
import { RequestAbortedError } from '../../ts/src/index.js'
import type { ServerOptions } from '../../ts/src/server/index.js'
import { completion, handleFake, until } from './served-engine.js'

const BASE = 'http://localhost:8000'
const post = (
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): RequestInit => ({
  method: 'POST',
  headers,
  body,
})
const bytes = (...values: number[]) => new Uint8Array(values)
const nested = (depth: number) => `{"prompt":${'['.repeat(depth)}${']'.repeat(depth)}}`
const badRequest = (message: RegExp) => ({ status: 400, type: 'BadRequestError', code: 400, message })

interface Expected {
  readonly status: number
  readonly type: string
  readonly code: number | string
  readonly message: RegExp
  readonly param?: string
}

const refused: readonly (readonly [string, string, RequestInit, Expected, ServerOptions?])[] = [
  ['an unknown path', '/v1/nothing', {}, { status: 404, type: 'NotFoundError', code: 404, message: /no endpoint/ }],
  [
    'an unknown method',
    '/v1/completions',
    { method: 'PUT' },
    { status: 405, type: 'MethodNotAllowedError', code: 405, message: /takes POST/ },
  ],
  [
    'an unknown model',
    '/v1/completions',
    completion({ model: 'other' }),
    { status: 404, type: 'NotFoundError', code: 'model_not_found', param: 'model', message: /`other` does not exist/ },
  ],
  ['broken JSON', '/v1/completions', post('{"prompt":'), badRequest(/not valid JSON/)],
  ['a list', '/v1/completions', post('[]'), badRequest(/must be a JSON object/)],
  ['a number', '/v1/completions', post('1'), badRequest(/must be a JSON object/)],
  ['null', '/v1/completions', post('null'), badRequest(/must be a JSON object/)],
  ['nothing', '/v1/completions', { method: 'POST' }, { ...badRequest(/prompt/), param: 'prompt' }],
  ['deep JSON', '/v1/completions', post(nested(129)), badRequest(/deeper than 128/)],
  ['JSON a megabyte deep', '/v1/completions', post(nested(500_000)), badRequest(/deeper than 128/)],
  ['invalid UTF-8', '/v1/completions', post(bytes(0x7b, 0x22, 0xff, 0x22, 0x7d)), badRequest(/not valid UTF-8/)],
  ['half a character', '/v1/completions', post(bytes(0x22, 0xe2, 0x82)), badRequest(/not valid UTF-8/)],
  ['UTF-16 by its bytes', '/v1/completions', post(bytes(0xff, 0xfe, 0x7b, 0)), badRequest(/not valid UTF-8/)],
  [
    'a form',
    '/v1/completions',
    post('{}', { 'content-type': 'application/x-www-form-urlencoded' }),
    badRequest(/media type/),
  ],
  ['text', '/v1/completions', post('{}', { 'content-type': 'text/plain' }), badRequest(/media type/)],
  [
    'compression',
    '/v1/completions',
    post('{}', { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
    { status: 415, type: 'BadRequestError', code: 415, message: /Compressed/ },
  ],
  [
    'a body that is too large',
    '/v1/completions',
    post(`{"prompt":"${'x'.repeat(2000)}"}`),
    { status: 413, type: 'RequestEntityTooLargeError', code: 413, message: /larger than 1000 bytes/ },
    { maxBodyBytes: 1000 },
  ],
  [
    'more bodies than memory',
    '/v1/completions',
    post(`{"prompt":"${'x'.repeat(2000)}"}`),
    { status: 429, type: 'RateLimitError', code: 429, message: /overloaded/ },
    { maxBodiesBytes: 1000 },
  ],
  ['a path that cannot be decoded', '/v1/models/%zz', {}, badRequest(/cannot be decoded/)],
  [
    'a page of another origin, without a body',
    '/pause',
    { method: 'POST', headers: { origin: 'https://evil.example' } },
    { status: 403, type: 'PermissionDeniedError', code: 403, message: /origin/ },
    { dev: true },
  ],
]

for (const [title, path, init, expected, options] of refused) {
  test(`refused: ${title}`, async t => {
    const { handler, engine } = await handleFake(t, options)
    const response = await handler(new Request(`${BASE}${path}`, init))
    const text = await response.text()
    const { error } = JSON.parse(text)
    t.is(response.status, expected.status, text)
    t.is(error.type, expected.type)
    t.is(error.code, expected.code)
    t.regex(error.message, expected.message)
    t.is(error.param, expected.param ?? null)
    t.is(response.headers.get('content-type'), 'application/json')
    t.is(engine.numRequests, 0)
    const after = await handler(new Request(`${BASE}/v1/completions`, completion()))
    t.is(after.status, 200)
    t.is(JSON.parse(await after.text()).usage.completion_tokens, 8)
  })
}

test('a body as deep as allowed goes on to the endpoint', async t => {
  const { handler } = await handleFake(t, { maxJsonDepth: 4 })
  const deep = completion({ logit_bias: {}, extra: { a: { b: [] } } })
  t.is((await handler(new Request(`${BASE}/v1/completions`, deep))).status, 200)
})

test('brackets and escapes in strings are no depth', async t => {
  const { handler } = await handleFake(t, { maxJsonDepth: 2 })
  const text = completion({ prompt: `${'[{'.repeat(200)}"\\"${'['.repeat(200)}` })
  t.is((await handler(new Request(`${BASE}/v1/completions`, text))).status, 200)
})

const KEYS = { apiKeys: ['first-key', 'second-key'] }
const doors: readonly (readonly [string, Record<string, string>, number, ServerOptions?])[] = [
  ['/v1/models', {}, 401],
  ['/v1/models', { authorization: 'Bearer wrong' }, 401],
  ['/v1/models', { authorization: 'first-key' }, 401],
  ['/v1/models', { authorization: 'Basic first-key' }, 401],
  ['/v1/models', { authorization: 'Bearer ' }, 401],
  ['/v1/models', { authorization: 'Bearer first-key' }, 200],
  ['/v1/models', { authorization: 'bearer second-key' }, 200],
  ['/v1/models', { 'x-api-key': 'second-key' }, 200],
  ['/v1/nothing', {}, 401],
  ['/v2/embed', {}, 401],
  ['/inference/v1/generate', {}, 401],
  ['/cohere/v2/chat', {}, 401],
  ['/health', {}, 200],
  ['/metrics', {}, 200],
  ['/version', {}, 200],
  ['/llm/v1/models', {}, 401, { rootPath: '/llm' }],
  ['/llm/v1/models', { authorization: 'Bearer first-key' }, 200, { rootPath: '/llm' }],
  ['/health', {}, 401, { guardAllPaths: true }],
  ['/metrics', {}, 401, { guardAllPaths: true }],
  ['/docs', {}, 401, { guardAllPaths: true }],
  ['/health', { authorization: 'Bearer first-key' }, 200, { guardAllPaths: true }],
]

for (const [path, headers, status, options] of doors) {
  test(`keys: ${path} ${JSON.stringify(headers)} ${JSON.stringify(options ?? {})} is ${status}`, async t => {
    const { handler } = await handleFake(t, { ...KEYS, ...options })
    const response = await handler(new Request(`${BASE}${path}`, { headers }))
    t.is(response.status, status)
    if (status !== 401) return
    t.deepEqual(await response.json(), { error: 'Unauthorized' })
    t.is(response.headers.get('www-authenticate'), 'Bearer')
  })
}

test('keys: no spelling of a guarded path reaches its endpoint', async t => {
  const { handler } = await handleFake(t, KEYS)
  for (const path of ['/%761/models', '//v1/models', '/V1/models', '/./v1/models', '/x/../v1/models', '/v1%2fmodels']) {
    const response = await handler(new Request(`${BASE}${path}`))
    t.true([401, 404].includes(response.status), `${path}: ${response.status}`)
  }
})

const preflight = {
  origin: 'https://app.example',
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization',
}

test('CORS is closed: a preflight gets no permission, a reply no header', async t => {
  const { handler } = await handleFake(t, KEYS)
  const asked = await handler(new Request(`${BASE}/v1/completions`, { method: 'OPTIONS', headers: preflight }))
  t.is(asked.status, 204)
  t.is(asked.headers.get('access-control-allow-origin'), null)
  const reply = await handler(new Request(`${BASE}/health`, { headers: { origin: 'https://app.example' } }))
  t.is(reply.headers.get('access-control-allow-origin'), null)
})

test('CORS: a named origin may call, others may not', async t => {
  const { handler } = await handleFake(t, { ...KEYS, allowedOrigins: ['https://app.example'], allowCredentials: true })
  const asked = await handler(new Request(`${BASE}/v1/completions`, { method: 'OPTIONS', headers: preflight }))
  t.is(asked.headers.get('access-control-allow-origin'), 'https://app.example')
  t.is(asked.headers.get('access-control-allow-headers'), 'authorization')
  t.is(asked.headers.get('access-control-allow-credentials'), 'true')
  const authorization = 'Bearer first-key'
  const call = (origin: string) =>
    handler(
      new Request(`${BASE}/v1/completions`, {
        ...completion(),
        headers: { ...completion().headers, origin, authorization },
      }),
    )
  t.is((await call('https://app.example')).headers.get('access-control-allow-origin'), 'https://app.example')
  t.is((await call('https://other.example')).status, 403)
  const refusal = await handler(new Request(`${BASE}/v1/models`, { headers: { origin: 'https://app.example' } }))
  t.is(refusal.status, 401)
  t.is(refusal.headers.get('access-control-allow-origin'), 'https://app.example')
})

test('CORS: a page of the server itself may call', async t => {
  const { handler } = await handleFake(t)
  const { headers, ...rest } = completion()
  const own = new Request(`${BASE}/v1/completions`, {
    ...rest,
    headers: { ...headers, origin: BASE, host: 'localhost:8000' },
  })
  t.is((await handler(own)).status, 200)
})

test('X-Request-Id is taken, and given back where the operator asks for it', async t => {
  const { handler } = await handleFake(t, { requestIdHeaders: true })
  const { headers, ...rest } = completion()
  const named = await handler(
    new Request(`${BASE}/v1/completions`, { ...rest, headers: { ...headers, 'x-request-id': 'mine' } }),
  )
  t.is(named.headers.get('x-request-id'), 'mine')
  t.is(JSON.parse(await named.text()).id, 'cmpl-mine')
  const drawn = await handler(new Request(`${BASE}/health`))
  t.regex(drawn.headers.get('x-request-id') ?? '', /^[0-9a-f]{32}$/)
  const hostile = await handler(new Request(`${BASE}/health`, { headers: { 'x-request-id': 'x'.repeat(5000) } }))
  t.regex(hostile.headers.get('x-request-id') ?? '', /^[0-9a-f]{32}$/)
})

test('HEAD is GET without a body', async t => {
  const { handler } = await handleFake(t)
  const response = await handler(new Request(`${BASE}/v1/models`, { method: 'HEAD' }))
  t.is(response.status, 200)
  t.is(await response.text(), '')
})

test.serial('a request whose time is over is answered with 504, and leaves the engine', async t => {
  const onStep = () => new Promise<void>(resolve => setTimeout(resolve, 20))
  const { handler, engine } = await handleFake(t, { requestTimeoutMs: 2000 }, { onStep })
  const response = await handler(new Request(`${BASE}/v1/completions`, completion({ max_tokens: 500 })))
  t.is(response.status, 504)
  t.regex(JSON.parse(await response.text()).error.message, /within 2 seconds/)
  t.is(engine.numRequests, 0)
  const stream = await handler(new Request(`${BASE}/v1/completions`, completion({ max_tokens: 500, stream: true })))
  const text = await stream.text()
  t.regex(text, /within 2 seconds/)
  t.true(text.endsWith('data: [DONE]\n\n'))
})

const messages = [{ role: 'user', content: 'Hello' }]
for (const [path, body] of [
  ['/v1/completions', { prompt: 'Hello' }],
  ['/v1/completions/render', { prompt: 'Hello' }],
  ['/v1/chat/completions', { messages }],
  ['/v1/chat/completions/render', { messages }],
  ['/v1/responses', { input: 'Hello', store: false }],
  ['/v1/responses', { input: messages, truncation: 'auto' }],
  ['/v1/messages', { model: 'quire-tiny', messages, max_tokens: 2 }],
  ['/v1/messages/count_tokens', { model: 'quire-tiny', messages }],
  ['/tokenize', { prompt: 'Hello' }],
  ['/tokenize', { messages }],
] as const) {
  test(`a prompt that waits to be tokenized is dropped when its client leaves: ${path} ${Object.keys(body)}`, async t => {
    const { handler, engine } = await handleFake(t, { modelNames: ['quire-tiny'] })
    let numWaiting = 0
    // The tokenizer is busy with others for ever.
    engine.encode = (_texts, _addSpecialTokens, signal) =>
      new Promise((_, reject) => {
        numWaiting += 1
        signal?.addEventListener('abort', () => reject(new RequestAbortedError()))
      })
    const controller = new AbortController()
    const reply = handler(new Request(`${BASE}${path}`, { ...post(JSON.stringify(body)), signal: controller.signal }))
    await until('it waits', () => numWaiting === 1)
    controller.abort()
    t.is((await reply).status, 499)
    t.is(engine.numRequests, 0)
  })
}

test('the bytes of a body count until it is answered', async t => {
  const { handler, engine } = await handleFake(t, { maxBodiesBytes: 3000 })
  await engine.pause('keep')
  const large = () => handler(new Request(`${BASE}/v1/completions`, completion({ ignored: 'x'.repeat(2000) })))
  const first = large()
  await until('it waits', () => engine.numRequests === 1)
  t.is((await large()).status, 429)
  engine.resume()
  t.is((await first).status, 200)
  t.is((await large()).status, 200)
})

test('a body that does not come is answered with 408', async t => {
  const { handler } = await handleFake(t, { bodyTimeoutMs: 50 })
  const body = new ReadableStream({ start: controller => controller.enqueue(new TextEncoder().encode('{"pro')) })
  const request = new Request(`${BASE}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
  } as RequestInit)
  t.is((await handler(request)).status, 408)
})

test('an option that is not there, or cannot be, is refused by its name', async t => {
  const rows: readonly (readonly [object, string])[] = [
    [{ colour: 1 }, 'colour'],
    [{ maxQueue: -1 }, 'maxQueue'],
    [{ apiKeys: 'key' }, 'apiKeys'],
    [{ apiKeys: [''] }, 'apiKeys'],
    [{ rootPath: 'llm' }, 'rootPath'],
    [{ modelNames: [] }, 'modelNames'],
    [{ dev: 'yes' }, 'dev'],
    [{ toolCallParser: 'nobody' }, 'toolCallParser'],
    [{ reasoningParser: 'nobody' }, 'reasoningParser'],
    [{ chatTemplate: '{{ messages }}' }, 'chatTemplate'],
    [{ chatTemplateContentFormat: 'both' }, 'chatTemplateContentFormat'],
  ]
  for (const [options, parameter] of rows) {
    const error = await t.throwsAsync(handleFake(t, options as ServerOptions), {
      code: 'ERR_INVALID_ARGUMENT',
    } as object)
    t.is((error as unknown as { parameter: string }).parameter, parameter)
  }
})

test('who counts on tool calls is told if no parser would find any', async t => {
  const warnings: (string | undefined)[] = []
  const quiet = () => {}
  const warn = (_fields: object, message?: string) => warnings.push(message)
  const logger = { debug: quiet, info: quiet, warn, error: quiet }
  await handleFake(t, { logger })
  await handleFake(t, { logger, autoToolChoice: true, toolCallParser: 'hermes' })
  t.deepEqual(warnings, [])
  await handleFake(t, { logger, autoToolChoice: true })
  t.is(warnings.length, 1)
  t.regex(warnings[0] ?? '', /--tool-call-parser/)
})
