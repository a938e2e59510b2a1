// `quire run-batch`: rows for every line whatever it is, bounded, in order, going on where it was interrupted.

import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { BatchOutput } from '../../ts/src/cli/batch/batch-output.js'
import { type BatchOptions, runBatch } from '../../ts/src/cli/batch/batch-run.js'
import { textLines } from '../../ts/src/cli/batch/text-lines.js'
import { until } from '../server/served-engine.js'
import { runQuire } from './quire-command.js'

interface Row {
  readonly id: string
  readonly custom_id: string | null
  readonly response: { readonly status_code: number; readonly request_id: string; readonly body: unknown } | null
  readonly error: {
    readonly code?: string | number
    readonly type?: string
    readonly message?: string
    readonly line?: number
  } | null
}

const folder = () => mkdtemp(join(tmpdir(), 'quire-batch-test-'))
const line = (id: string, body: object = { n: id }, url = '/v1/chat/completions') =>
  JSON.stringify({ custom_id: id, method: 'POST', url, body })
const rowsOf = async (path: string): Promise<Row[]> =>
  (await readFile(path, 'utf8')).split('\n').flatMap(text => (text === '' ? [] : [JSON.parse(text) as Row]))

async function* bytesOf(text: string, size = 7): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

interface RunOptions extends Partial<BatchOptions> {
  readonly overwrite?: boolean
  readonly retryFailed?: boolean
}

/** Runs lines into a file; gives what was asked. */
async function run(path: string, input: string, options: RunOptions = {}) {
  const { overwrite = false, retryFailed = false, ...rest } = options
  const asked: string[] = []
  const output = await BatchOutput.open(path, { overwrite, retryFailed })
  let ids = 0
  const answer = rest.handler ?? (async () => Response.json({ ok: true }, { headers: { 'x-request-id': 'r1' } }))
  const counts = await runBatch({
    lines: textLines(bytesOf(input), 10_000),
    output,
    maxConcurrency: 4,
    unordered: false,
    newId: () => `batch_req_${ids++}`,
    signal: new AbortController().signal,
    ...rest,
    handler: async request => {
      asked.push(((await request.clone().json()) as { n: string }).n)
      return answer(request)
    },
  }).catch(async error => {
    await output.close()
    throw error
  })
  await output.finish()
  return { counts, asked, rows: await rowsOf(path) }
}

test('answers, good and bad, as OpenAI has them', async t => {
  const handler = async (request: Request) => {
    const { n } = (await request.json()) as { n: string }
    t.is(request.method, 'POST')
    t.is(new URL(request.url).pathname, n === 'e' ? '/v1/embeddings' : '/v1/chat/completions')
    t.regex(request.headers.get('x-request-id') ?? '', /^batch_req_/)
    if (n === 'bad')
      return Response.json({ error: { message: 'no such model', type: 'NotFoundError', code: 404 } }, { status: 404 })
    if (n === 'odd') return new Response('<html>', { status: 502 })
    if (n === 'throws') throw new Error('the engine is closed')
    return Response.json({ said: n })
  }
  const input = `${[line('a'), line('bad'), line('e', { n: 'e' }, '/v1/embeddings'), line('odd'), line('throws')].join('\r\n')}\n`
  const { rows, counts } = await run(join(await folder(), 'out.jsonl'), input, { handler })
  t.deepEqual(counts, { lines: 5, answered: 2, failed: 3, skipped: 0 })
  t.deepEqual(
    rows.map(({ custom_id, response }) => [custom_id, response?.status_code]),
    [
      ['a', 200],
      ['bad', 404],
      ['e', 200],
      ['odd', 502],
      ['throws', undefined],
    ],
  )
  t.deepEqual(rows[0], {
    id: 'batch_req_0',
    custom_id: 'a',
    response: { status_code: 200, request_id: 'batch_req_0', body: { said: 'a' } },
    error: null,
  })
  t.deepEqual(rows[1]?.error, { message: 'no such model', type: 'NotFoundError', code: 404 })
  t.deepEqual(rows[1]?.response?.body, { error: { message: 'no such model', type: 'NotFoundError', code: 404 } })
  t.is(rows[3]?.response?.body, '<html>')
  t.like(rows[4]?.error, { code: 'request_failed', message: 'the engine is closed', line: 5 })
})

const badLines: readonly [string, string, string | null, RegExp][] = [
  ['no JSON', '{"custom_id": "x"', null, /Line 2 cannot be run: it is not JSON/],
  ['no object', '[1]', null, /not a JSON object/],
  ['null', 'null', null, /not a JSON object/],
  ['no id', '{"method":"POST"}', null, /`custom_id` must be a string/],
  [
    'another method',
    '{"custom_id":"x","method":"GET","url":"/v1/completions","body":{}}',
    'x',
    /must be POST, got "GET"/,
  ],
  ['no url', '{"custom_id":"x","method":"POST","body":{}}', 'x', /`url` must be one of/],
  [
    'another host',
    '{"custom_id":"x","method":"POST","url":"http://a/v1/completions","body":{}}',
    'x',
    /`url` must be one of/,
  ],
  [
    'an endpoint that is not for batches',
    '{"custom_id":"x","method":"POST","url":"/metrics","body":{}}',
    'x',
    /`url` must be one of/,
  ],
  ['no body', '{"custom_id":"x","method":"POST","url":"/v1/completions"}', 'x', /`body` must be an object/],
  [
    'a list as body',
    '{"custom_id":"x","method":"POST","url":"/v1/completions","body":[]}',
    'x',
    /`body` must be an object/,
  ],
  [
    'a stream',
    '{"custom_id":"x","method":"POST","url":"/v1/completions","body":{"stream":true}}',
    'x',
    /must not be true/,
  ],
  ['too long a line', `{"custom_id":"x","pad":"${'y'.repeat(20_000)}"}`, null, /Line 2 cannot be run: it is too long/],
  ['an id that was there', line('a'), null, /custom_id has been there before/],
]

for (const [name, text, customId, message] of badLines) {
  test(`a line with ${name} gets a row, and the others go on`, async t => {
    const path = join(await folder(), 'out.jsonl')
    const input = `${line('a')}\n${text}\n\n${line('é🙂')}`
    const { rows, asked, counts } = await run(path, input)
    t.deepEqual(asked, ['a', 'é🙂'])
    t.deepEqual(
      rows.map(({ custom_id }) => custom_id),
      ['a', customId, 'é🙂'],
    )
    t.is(rows[1]?.response, null)
    t.is(rows[1]?.error?.line, 2)
    t.regex(rows[1]?.error?.message ?? '', message)
    t.deepEqual(counts, { lines: 3, answered: 2, failed: 1, skipped: 0 })
    const again = await run(path, input)
    t.deepEqual([again.asked, again.counts.skipped], [[], 3])
    t.deepEqual(again.rows, rows, 'a second run adds nothing')
  })
}

test('a byte order mark before the first line is none of it', async t => {
  const { asked, counts } = await run(join(await folder(), 'out.jsonl'), `\ufeff${line('a')}\n${line('b')}`)
  t.deepEqual(asked, ['a', 'b'])
  t.deepEqual(counts, { lines: 2, answered: 2, failed: 0, skipped: 0 })
})

test('lines that are no rows are no earlier run', async t => {
  const path = join(await folder(), 'out.jsonl')
  await writeFile(path, `${line('a')}\n`)
  const { asked, rows } = await run(path, line('a'))
  t.deepEqual([asked, rows.length], [['a'], 1])
})

const hundred = Array.from({ length: 100 }, (_, index) => line(`${index}`)).join('\n')

/** Answers, the first request after ten others. */
function uneven() {
  let answered = 0
  return async (request: Request) => {
    const { n } = (await request.json()) as { n: string }
    if (n === '0') await until('ten others are answered', () => answered >= 10)
    else await sleep(Number(n) % 7)
    answered += 1
    return Response.json({})
  }
}

test('order, and so many at once', async t => {
  let [running, most] = [0, 0]
  let answer = uneven()
  const handler = async (request: Request) => {
    running += 1
    most = Math.max(most, running)
    const response = await answer(request)
    running -= 1
    return response
  }
  const ordered = await run(join(await folder(), 'out.jsonl'), hundred, { handler })
  t.is(most, 4)
  t.deepEqual(
    ordered.rows.map(({ custom_id }) => custom_id),
    Array.from({ length: 100 }, (_, index) => `${index}`),
  )
  answer = uneven()
  const asCome = await run(join(await folder(), 'out.jsonl'), hundred, { handler, unordered: true })
  t.not(asCome.rows[0]?.custom_id, '0')
  t.is(new Set(asCome.rows.map(({ custom_id }) => custom_id)).size, 100)
})

test('a request that never ends does not let the others pile up', async t => {
  const controller = new AbortController()
  let asked = 0
  const handler = async (request: Request) => {
    asked += 1
    const { n } = (await request.json()) as { n: string }
    return n === '0' ? new Promise<Response>(() => {}) : Response.json({})
  }
  const stopped = t.throwsAsync(
    run(join(await folder(), 'out.jsonl'), hundred, { handler, signal: controller.signal }),
    {
      message: 'enough',
    },
  )
  while (asked < 4 * 8) await sleep(5)
  await sleep(100)
  t.is(asked, 4 * 8)
  controller.abort(new Error('enough'))
  await stopped
})

test('an interrupted run is gone on with', async t => {
  const path = join(await folder(), 'out.jsonl')
  const controller = new AbortController()
  const numWritten = () => readFileSync(`${path}.part`, 'utf8').split('\n').length - 1
  const answer = uneven()
  // The fifty-first has no answer.
  const handler = async (request: Request) => {
    if (((await request.clone().json()) as { n: string }).n !== '50') return answer(request)
    await until('thirty rows are written', () => numWritten() >= 30)
    controller.abort(new Error('interrupted'))
    return new Promise<Response>(() => {})
  }
  await t.throwsAsync(run(path, hundred, { handler, signal: controller.signal }), { message: 'interrupted' })
  t.false(existsSync(path), 'there is no half output')
  const part = await readFile(`${path}.part`, 'utf8')
  const before = part.trimEnd().split('\n').length
  t.true(before >= 30 && before <= 50, `${before}`)
  await writeFile(`${path}.part`, `${part}{"id":"batch_req_9","custom_id":"9`) // cut off while it was written
  const { rows, counts, asked } = await run(path, hundred)
  t.is(counts.skipped, before)
  t.is(asked.length, 100 - before)
  t.deepEqual(
    rows.map(({ custom_id }) => custom_id),
    Array.from({ length: 100 }, (_, index) => `${index}`),
  )
  t.false(existsSync(`${path}.part`))
})

test('what has failed may be asked again, all may be asked anew', async t => {
  const path = join(await folder(), 'out.jsonl')
  const input = [line('a'), line('b'), line('c')].join('\n')
  const fails = async (request: Request) =>
    ((await request.json()) as { n: string }).n === 'b'
      ? Response.json({ error: { message: 'full' } }, { status: 429 })
      : Response.json({})
  await run(path, input, { handler: fails })
  t.deepEqual((await run(path, input)).asked, [])
  const retried = await run(path, input, { retryFailed: true })
  t.deepEqual(retried.asked, ['b'])
  t.deepEqual(
    retried.rows.map(({ custom_id, error }) => [custom_id, error]),
    [
      ['a', null],
      ['c', null],
      ['b', null],
    ],
  )
  t.deepEqual((await run(path, input, { overwrite: true })).asked, ['a', 'b', 'c'])
})

test('an output that cannot be', async t => {
  const place = await folder()
  for (const path of [place, '/dev/null', join(place, 'absent', 'out.jsonl')]) {
    await t.throwsAsync(BatchOutput.open(path, { overwrite: false, retryFailed: false }), { name: 'UsageError' })
  }
})

const chat = (id: string, content: string, fields: object = {}) =>
  line(id, { model: 'quire-tiny', messages: [{ role: 'user', content }], max_tokens: 4, temperature: 0, ...fields })

async function command(t: ExecutionContext, args: readonly string[], code = 0) {
  const outcome = await runQuire(['run-batch', ...args], { cwd: await folder() })
  t.is(outcome.code, code, outcome.stderr)
  return outcome
}

test('the command: chat, completions and a bad model, by the engine in this process', async t => {
  const place = await folder()
  const [input, output] = [join(place, 'in.jsonl'), join(place, 'out.jsonl')]
  const lines = [
    chat('a', 'Hello'),
    line('b', { model: 'quire-tiny', prompt: 'Once upon a time', max_tokens: 3, temperature: 0 }, '/v1/completions'),
    'nonsense',
    chat('c', 'Hello', { model: 'gpt-9' }),
    chat('d', 'Hello', { max_tokens: -1 }),
  ]
  await writeFile(input, `${lines.join('\n')}\n`)
  const { stderr } = await command(t, [
    '-i',
    input,
    `--output-file=${output}`,
    '--max-concurrency',
    '2',
    '--max-num-seqs',
    '8',
  ])
  t.regex(stderr, /5 requests: 2 answered, 3 failed\n$/)
  const rows = await rowsOf(output)
  t.deepEqual(
    rows.map(({ custom_id, response }) => [custom_id, response?.status_code]),
    [
      ['a', 200],
      ['b', 200],
      [null, undefined],
      ['c', 404],
      ['d', 400],
    ],
  )
  t.like(rows[0]?.response?.body, { object: 'chat.completion', usage: { completion_tokens: 4 } })
  t.like(rows[1]?.response?.body, { object: 'text_completion', usage: { completion_tokens: 3 } })
  const again = await command(t, ['-i', input, '-o', output])
  t.regex(again.stderr, /5 requests: 0 answered, 0 failed, 5 done before\n$/)
})

test('the command: URLs', async t => {
  const received: string[] = []
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      response.statusCode = request.url === '/in' ? 200 : 404
      response.end(`${chat('a', 'Hello')}\n`)
      return
    }
    let text = ''
    for await (const part of request) text += part
    received.push(text)
    response.statusCode = received.length === 1 ? 503 : 200
    response.end()
  })
  server.keepAliveTimeout = 0 // what the client keeps is open when it uses it again
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close().closeAllConnections())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await command(t, ['-i', `${url}/in`, '-o', `${url}/out`])
  t.is(received.length, 2, 'an upload that fails is tried again')
  t.is((JSON.parse(received[1] ?? '') as Row).response?.status_code, 200)
  const { stderr } = await command(t, ['-i', `${url}/absent`, '-o', join(await folder(), 'o')], 2)
  t.regex(stderr, /--input-file: .*HTTP 404/)
})

test('the command: answers never take the place of the requests', async t => {
  const place = await folder()
  const [input, otherName] = [join(place, 'in.jsonl'), join(place, 'link.jsonl')]
  await writeFile(input, `${line('a')}\n`)
  await symlink(input, otherName)
  for (const output of [input, otherName]) {
    const { stderr } = await command(t, ['-i', input, '-o', output, '--overwrite'], 2)
    t.regex(stderr, /--output-file is --input-file/)
  }
  t.is(await readFile(input, 'utf8'), `${line('a')}\n`)
})

const misuses: readonly [readonly string[], RegExp][] = [
  [[], /Give both/],
  [['-i', 'x'], /Give both/],
  [['-i', 'x', '-o', 'y', '--max-concurrency', '0'], /at least 1/],
  [['-i', '/nowhere/x', '-o', 'y'], /--input-file: .*ENOENT/],
  [['-i', '/dev/null', '-o', '/dev/null'], /--output-file: .*no file/],
  [['-i', 'x', '-o', 'y', '--nonsense'], /nonsense/],
]

for (const [args, message] of misuses) {
  test(`called wrongly: ${args.join(' ')}`, async t => {
    t.regex((await command(t, args, 2)).stderr, message)
  })
}
