// `bench serve` against a server whose pace and faults are known.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  DATASET_DEFAULTS,
  type DatasetOptions,
  type Measurement,
  parseTarget,
  type ServeListener,
  type ServeOptions,
  serveBench,
  servingPlot,
} from '../../ts/src/bench/index.js'
import { svgBars } from '../../ts/src/bench/plot/svg-bars.js'
import { until } from '../server/served-engine.js'
import { type FakeAnswer, startFakeServer } from './fake-openai-server.js'

const dataset: DatasetOptions = {
  ...DATASET_DEFAULTS,
  numPrompts: 6,
  random: { inputLen: 12, outputLen: 5, rangeRatio: 0, prefixLen: 0 },
}
const defaults: Omit<ServeOptions, 'target'> = {
  backend: 'openai',
  endpoint: '/v1/completions',
  dataset,
  headers: { Authorization: 'Bearer secret' },
  requestIdPrefix: 'test-',
  sampling: {},
  extraBody: {},
  ignoreEos: true,
  traffic: { requestRate: Number.POSITIVE_INFINITY, burstiness: 1 },
  concurrencies: [],
  numWarmups: 0,
  readyCheckTimeoutS: 0,
  metrics: ['ttft', 'tpot', 'itl'],
  percentiles: [99],
  keepText: false,
}
const chat = { backend: 'openai-chat', endpoint: '/v1/chat/completions' } as const

interface Told extends ServeListener {
  readonly lines: string[]
  readonly warnings: string[]
}

function listener(): Told {
  const [lines, warnings]: [string[], string[]] = [[], []]
  return {
    lines,
    warnings,
    say: line => lines.push(line),
    warn: line => warnings.push(line),
    begin: () => {},
    record: () => {},
    end: () => {},
  }
}

/** Measures a fake server that is closed after the test. */
async function measure(
  t: ExecutionContext,
  answer: (index: number) => FakeAnswer,
  options: Partial<ServeOptions> = {},
  told = listener(),
) {
  const server = await startFakeServer(answer)
  t.teardown(server.close)
  const target = parseTarget({ port: server.port })
  const measured: Measurement[] = []
  for await (const one of serveBench({ ...defaults, target, ...options }, told)) measured.push(one)
  return { server, measured, told, first: measured[0] as Measurement }
}

test('what a request says', async t => {
  const options = {
    sampling: { temperature: 0, topP: 0.5, topK: 3 },
    extraBody: { min_tokens: 2, temperature: 1 },
    headers: { Authorization: 'Bearer secret', 'X-Team': 'a' },
    logprobs: 2,
  }
  const { server, first } = await measure(t, () => ({}), options)
  t.is(first.modelId, 'fake-model')
  t.is(server.seen.length, 6)
  for (const { path, headers, body } of server.seen) {
    t.is(path, '/v1/completions')
    t.like(headers, { authorization: 'Bearer secret', 'x-team': 'a', 'content-type': 'application/json' })
    const { prompt, ...rest } = body
    t.is(typeof prompt, 'string')
    t.deepEqual(rest, {
      model: 'fake-model',
      max_tokens: 5,
      logprobs: 2,
      stream: true,
      stream_options: { include_usage: true },
      ignore_eos: true,
      temperature: 1,
      top_p: 0.5,
      top_k: 3,
      min_tokens: 2,
    })
  }
  const ids = server.seen.map(({ headers }) => headers['x-request-id']).sort()
  t.deepEqual(ids, ['test-0', 'test-1', 'test-2', 'test-3', 'test-4', 'test-5'])
})

test('what a chat request says', async t => {
  const { server } = await measure(t, () => ({}), { ...chat, model: 'given', logprobs: 1, ignoreEos: false })
  const [{ path, body } = { path: '', body: {} as Record<string, unknown> }] = server.seen
  t.is(path, '/v1/chat/completions')
  const { messages, ...rest } = body as { messages: { role: string; content: string }[] }
  t.is(messages.length, 1)
  t.is(messages[0]?.role, 'user')
  t.deepEqual(rest as Record<string, unknown>, {
    model: 'given',
    max_completion_tokens: 5,
    logprobs: true,
    top_logprobs: 1,
    stream: true,
    stream_options: { include_usage: true },
  })
})

for (const [name, options] of [
  ['completions', {}],
  ['chat', chat],
] as const) {
  test(`times of ${name}: first token, between tokens, whole`, async t => {
    const { first } = await measure(t, () => ({ firstTokenMs: 80, perTokenMs: 20, opensFirst: name === 'chat' }), {
      ...options,
      concurrencies: [1],
    })
    const { records } = first.load
    t.is(records.length, 6)
    for (const { ttftMs = 0, itlsMs, latencyMs, outputTokens, promptTokens } of records) {
      t.true(ttftMs >= 78, `${ttftMs}`)
      t.is(itlsMs.length, 4)
      // A busy machine may read two tokens at once; what comes late cannot have come early.
      t.true(itlsMs.every(itl => itl >= 0) && latencyMs >= 80 + 4 * 20 - 5, `${itlsMs}`)
      const sum = itlsMs.reduce((a, b) => a + b, ttftMs)
      t.true(Math.abs(sum - latencyMs) < 1e-6)
      t.deepEqual([outputTokens, promptTokens], [5, 7])
    }
    const { metrics } = first
    t.like(metrics, { completed: 6, failed: 0, totalOutputTokens: 30, totalInputTokens: 42, peakConcurrency: 1 })
    t.true(metrics.durationS > 6 * 0.15)
    t.true(Math.abs(metrics.outputThroughput - 30 / metrics.durationS) < 1e-6)
  })
}

test('tokens are counted by the tokenizer where the server does not', async t => {
  const { first } = await measure(t, () => ({ usage: false, text: index => (index === 0 ? 'Once é🙂' : ' upon') }), {
    keepText: true,
  })
  t.is(first.load.records[0]?.text, 'Once é🙂 upon upon upon upon')
  t.is(first.load.records[0]?.promptTokens, 12, "the data set's count")
  const [length = 0, ...others] = first.metrics.outputLengths
  t.true(length > 5)
  t.true(others.every(other => other === length))
})

test('so many at once, over connections that are kept', async t => {
  const many = { ...dataset, numPrompts: 40 }
  const { server, first } = await measure(t, () => ({ perTokenMs: 2 }), { dataset: many, concurrencies: [4] })
  t.is(server.mostAtOnce, 4)
  t.is(first.metrics.completed, 40)
  t.true(first.metrics.peakConcurrency <= 4)
  t.is(first.connections.opened, 4)
  t.is(server.connections, 5, 'and one for the questions before')
})

test('a server that closes connections costs no request', async t => {
  const { first } = await measure(t, index => ({ close: index % 2 === 0 }), { concurrencies: [2] })
  t.is(first.metrics.completed, 6)
  t.true(first.connections.opened > 2)
})

test('failures are counted, and say why', async t => {
  const faults: FakeAnswer[] = [{ status: 500 }, { cutAfter: 2 }, { errorAfter: 1 }, { tokens: 0 }, {}, { status: 429 }]
  const { first, told } = await measure(t, index => faults[index] ?? {}, { concurrencies: [1] })
  const errors = first.load.records.map(({ error }) => error)
  t.is(errors[0], 'HTTP 500: refused with 500')
  t.regex(errors[1] ?? '', /ECONNRESET|in the middle/)
  t.is(errors[2], 'the model fell over')
  t.is(errors[3], 'the answer has no token')
  t.is(errors[4], undefined)
  t.is(errors[5], 'HTTP 429: refused with 429')
  t.like(first.metrics, { completed: 1, failed: 5, totalOutputTokens: 5 })
  t.regex(told.warnings.join('\n'), /Failed requests during benchmark run detected.*Error 4: HTTP 429/s)
})

test('nobody listens', async t => {
  const target = parseTarget({ port: 1 })
  const run = async (options: Partial<ServeOptions>) => {
    const measured: Measurement[] = []
    for await (const one of serveBench({ ...defaults, target, ...options }, listener())) measured.push(one)
    return measured
  }
  await t.throwsAsync(run({}), { code: 'ERR_SERVER', message: /names no model \(.*ECONNREFUSED/ })
  await t.throwsAsync(run({ model: 'x', readyCheckTimeoutS: 0.2 }), {
    message: /not get ready within 0.2 s: /,
  })
  const [measured] = await run({ model: 'x' })
  t.like(measured?.metrics, { completed: 0, failed: 6 })
  t.is(measured?.connections.resets, 6)
})

test('a server that is ready later is waited for', async t => {
  const { first, server, told } = await measure(t, index => (index === 0 ? { status: 503 } : {}), {
    readyCheckTimeoutS: 20,
    numWarmups: 3,
  })
  t.is(first.metrics.completed, 6)
  t.is(server.seen.length, 2 + 3 + 6)
  t.true(told.lines.includes('Initial test run completed.') && told.lines.includes('Warmup run completed.'))
})

test('a rate of requests', async t => {
  const traffic = { requestRate: 20, burstiness: Number.POSITIVE_INFINITY }
  const { first } = await measure(t, () => ({}), { traffic })
  const [start = 0] = first.load.records.map(({ arrivalMs }) => arrivalMs - 50)
  for (const [index, { arrivalMs, startMs }] of first.load.records.entries()) {
    t.true(Math.abs(arrivalMs - start - 50 * (index + 1)) < 1e-6)
    t.true(startMs >= arrivalMs - 1, 'nothing is sent before its time')
  }
})

test('a Unix socket', async t => {
  const socketPath = join(await mkdtemp(join(tmpdir(), 'quire-bench-')), 'server.sock')
  const server = await startFakeServer(() => ({}), { socketPath })
  t.teardown(server.close)
  for await (const { metrics } of serveBench({ ...defaults, target: parseTarget({ uds: socketPath }) }, listener())) {
    t.is(metrics.completed, 6)
  }
})

/** A key and a certificate of its own; undefined where there is no openssl. */
function certificate(): { key: Buffer; cert: Buffer } | undefined {
  const place = mkdtempSync(join(tmpdir(), 'quire-tls-'))
  const [key, cert] = [join(place, 'key.pem'), join(place, 'cert.pem')]
  const args = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
  ]
  try {
    execFileSync('openssl', args, { stdio: 'pipe' })
  } catch {
    return undefined
  }
  return { key: readFileSync(key), cert: readFileSync(cert) }
}

const tls = certificate()
const withTls = tls === undefined ? test.skip : test

withTls(
  `TLS: a certificate that nobody vouches for is refused, unless asked${tls ? '' : ' (skipped: no openssl)'}`,
  async t => {
    const server = await startFakeServer(() => ({}), tls && { tls })
    t.teardown(server.close)
    const baseUrl = `https://localhost:${server.port}`
    const run = async (verify: boolean) => {
      const measured: Measurement[] = []
      const options = { ...defaults, target: parseTarget({ baseUrl, verify }), concurrencies: [2] }
      for await (const one of serveBench(options, listener())) measured.push(one)
      return measured[0]
    }
    await t.throwsAsync(run(true), { code: 'ERR_SERVER', message: /certificate/ })
    const measured = await run(false)
    t.like(measured?.metrics, { completed: 6, totalOutputTokens: 30 })
    t.is(measured?.connections.opened, 2)
  },
)

test('a signal ends the load', async t => {
  const server = await startFakeServer(() => ({ perTokenMs: 10_000 }))
  t.teardown(server.close)
  const controller = new AbortController()
  const options = { ...defaults, target: parseTarget({ port: server.port }) }
  const run = async () => {
    for await (const _ of serveBench(options, listener(), controller.signal)) t.fail()
  }
  const ended = t.throwsAsync(run(), { message: 'enough' })
  await until('all are asked', () => server.seen.length === 6)
  controller.abort(new Error('enough'))
  await ended
})

test('plots: one level over time, several against each other', async t => {
  const { measured } = await measure(t, () => ({ perTokenMs: 1 }), { concurrencies: [1, 2, 4], model: 'a<b&"c"' })
  t.is(measured.length, 3)
  const several = servingPlot(measured)
  t.regex(several, /a&lt;b&amp;&quot;c&quot;: throughput/)
  t.regex(several, />4</)
  const single = servingPlot(measured.slice(0, 1))
  t.regex(single, /latency of requests over time/)
  for (const svg of [single, several, servingPlot([])]) {
    t.regex(svg, /^<svg xmlns=/)
    t.notRegex(svg, /NaN|Infinity|undefined/)
    t.is(svg.match(/<g /g)?.length ?? 0, svg.match(/<\/g>/g)?.length ?? 0)
  }
  t.is(single.match(/<circle /g)?.length, 6 * 2 + 13 * 2)
})

test('plots: bars in groups, as long as their share', t => {
  const shown = (value: number): string => `${value} %`
  const groups = [
    { title: 'a<b', bars: [{ label: 'x', value: 50 }] },
    {
      title: 'c',
      bars: [
        { label: 'x', value: 200 },
        { label: 'y', value: Number.NaN },
      ],
    },
  ]
  const svg = svgBars({ title: 'shares', groups, most: 100, shown })
  t.regex(svg, /a&lt;b/)
  t.deepEqual(
    [...svg.matchAll(/width="([\d.]+)" height="14"/g)].map(match => Number(match[1])),
    [170, 340],
  )
  t.regex(svgBars({ title: 'none', groups: [], shown }), /^<svg .*<\/svg>\n$/s)
})
