// /v1/embeddings, /score and /rerank: shapes, formats, limits, and what is refused.

import test from 'ava'
import type { ZodType } from 'zod'
import { embeddingResponseSchema } from '../../ts/src/server/protocol/embeddings.js'
import { rerankResponseSchema } from '../../ts/src/server/protocol/rerank.js'
import { scoreResponseSchema } from '../../ts/src/server/protocol/score.js'
import { TestHandler } from '../openai/test-server.js'
import { until } from '../server/served-engine.js'
import { cosine, fixture, goldenSequences } from './fixture-models.js'

const bert = await TestHandler.create({ modelNames: ['bert'] }, { model: fixture('pooling/bert') })
const cross = await TestHandler.create({}, { model: fixture('pooling/bert_cross_encoder') })
const decoder = await TestHandler.create()
test.after.always(() => Promise.all([bert, cross, decoder].map(({ engine }) => engine.close())))

const golden = goldenSequences('pooling/bert')

/** The numbers of a base64 embedding. */
function decoded(base64: string): number[] {
  const bytes = Buffer.from(base64, 'base64')
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index))
}

test('texts, ids and lists of both', async t => {
  const first = golden[0]
  const rows: [unknown, number][] = [
    [first?.text, 1],
    [[first?.text], 1],
    [first?.token_ids, 1],
    [[first?.token_ids], 1],
    [[first?.text, golden[1]?.text, first?.token_ids], 3],
  ]
  for (const [input, count] of rows) {
    const { status, body } = await bert.post('/v1/embeddings', { model: 'bert', input })
    t.is(status, 200, JSON.stringify(body))
    t.is(body.data.length, count)
    t.is(body.model, 'bert')
    t.true(embeddingResponseSchema.safeParse(body).success)
    t.true(body.id.startsWith('embd-'))
    t.true(cosine(body.data[0].embedding, first?.mean ?? []) > 0.999999)
    t.is(body.data[count - 1].index, count - 1)
    if (count === 1)
      t.deepEqual(body.usage, { prompt_tokens: first?.token_ids.length, total_tokens: first?.token_ids.length })
  }
})

test('base64 has the numbers that float has, little-endian', async t => {
  const input = golden.map(({ text }) => text)
  const float = await bert.post('/v1/embeddings', { input })
  const base64 = await bert.post('/v1/embeddings', { input, encoding_format: 'base64' })
  t.is(base64.status, 200)
  for (const [index, { embedding }] of float.body.data.entries())
    t.deepEqual(decoded(base64.body.data[index].embedding), embedding)
})

test('dimensions cut and normalise again', async t => {
  const whole = (await bert.post('/v1/embeddings', { input: 'the cat' })).body.data[0].embedding
  const { body } = await bert.post('/v1/embeddings', { input: 'the cat', dimensions: 8 })
  const { embedding } = body.data[0]
  t.is(embedding.length, 8)
  t.true(Math.abs(Math.hypot(...embedding) - 1) < 1e-6)
  t.true(cosine(embedding, whole.slice(0, 8)) > 0.999999)
  const raw = (await bert.post('/v1/embeddings', { input: 'the cat', normalize: false })).body.data[0].embedding
  t.true(Math.abs(Math.hypot(...raw) - 1) > 0.01)
})

test('inputs are cut as asked, an encoder’s to its length without being asked', async t => {
  const long = 'the cat sat '.repeat(60)
  const tokens = async (server: TestHandler, body: object) =>
    (await server.post('/v1/embeddings', body)).body.usage?.prompt_tokens
  t.is(await tokens(bert, { input: long }), 48)
  t.is(await tokens(bert, { input: long, truncate_prompt_tokens: 10 }), 10)
  t.is(await tokens(bert, { input: long, truncate_prompt_tokens: -1 }), 48)
  const refused = await decoder.post('/v1/embeddings', { input: long.repeat(20) })
  t.is(refused.status, 400)
  t.is(refused.body.error.code, 'context_length_exceeded')
  t.is(await tokens(decoder, { input: long.repeat(20), truncate_prompt_tokens: -1 }), decoder.engine.maxModelLen)
})

test('a decoder embeds and generates', async t => {
  const { status, body } = await decoder.post('/v1/embeddings', { input: ['a story', 'a tale'] })
  t.is(status, 200)
  t.is(body.data[0].embedding.length, decoder.engine.modelInfo.hiddenSize)
  const completion = await decoder.post('/v1/completions', { prompt: 'a', max_tokens: 3 })
  t.is(completion.status, 200)
})

test('what an encoder cannot do is a clear 400', async t => {
  for (const [path, body] of [
    ['/v1/completions', { prompt: 'the cat', max_tokens: 3 }],
    ['/v1/completions', { prompt: [5, 6], max_tokens: 3, stream: true }],
  ] as const) {
    const { status, body: answer } = await bert.post(path, body)
    t.is(status, 400)
    t.regex(answer.error.message, /BertModel generates no text/)
  }
  const refused = await cross.post('/v1/embeddings', { input: 'the cat' })
  t.is(refused.status, 400)
  t.regex(refused.body.error.message, /cross-encoder/)
})

test('scores: one against many, many against many, by every spelling', async t => {
  const pairs = goldenSequences('pooling/bert_cross_encoder')
  const [ones, others] = [pairs.map(({ text }) => text), pairs.map(({ pair }) => pair)]
  for (const path of ['/score', '/v1/score']) {
    const { status, body } = await cross.post(path, { text_1: ones, text_2: others })
    t.is(status, 200, JSON.stringify(body))
    t.true(scoreResponseSchema.safeParse(body).success)
    for (const [index, { score }] of body.data.entries())
      t.true(Math.abs(score - (pairs[index]?.logit ?? Number.NaN)) < 1e-4)
    const numTokens = pairs.reduce((sum, { token_ids }) => sum + token_ids.length, 0)
    t.is(body.usage.total_tokens, numTokens)
  }
  const single = await cross.post('/score', { text_1: ones[0], text_2: others[0] })
  t.true(Math.abs(single.body.data[0].score - (pairs[0]?.logit ?? Number.NaN)) < 1e-4)
  const spread = await cross.post('/score', { queries: ones[0], documents: others })
  t.is(spread.body.data.length, others.length)
  t.is(spread.body.data[0].score, single.body.data[0].score)
  const vectors = await bert.post('/score', { data_1: 'the cat', data_2: ['the cat', 'dogs'] })
  t.true(Math.abs(vectors.body.data[0].score - 1) < 1e-6)
  t.true(vectors.body.data[1].score < 0.999)
})

test('rankings are sorted, cut, and tell their documents', async t => {
  const documents = ['dogs run', 'the cat sat', { text: 'a good dog sat on the mat' }, 'zebras']
  for (const [server, path] of [
    [cross, '/rerank'],
    [cross, '/v1/rerank'],
    [bert, '/v2/rerank'],
  ] as const) {
    const { status, body } = await server.post(path, { query: 'what is a good dog?', documents })
    t.is(status, 200, JSON.stringify(body))
    t.true(rerankResponseSchema.safeParse(body).success)
    const scores: number[] = body.results.map((result: { relevance_score: number }) => result.relevance_score)
    t.deepEqual(
      scores,
      scores.toSorted((one, other) => other - one),
    )
    t.is(new Set(body.results.map((result: { index: number }) => result.index)).size, 4)
    for (const { index, document } of body.results) {
      const given = documents[index]
      t.is(document.text, typeof given === 'string' ? given : given?.text)
    }
    const cut = await server.post(path, { query: 'what is a good dog?', documents, top_n: 2, return_documents: false })
    t.is(cut.body.results.length, 2)
    t.is(cut.body.results[0].index, body.results[0].index)
    t.false('document' in cut.body.results[0])
  }
})

test('bad requests are refused with the field', async t => {
  const rows: [TestHandler, string, object, string | null][] = [
    [bert, '/v1/embeddings', {}, 'input'],
    [bert, '/v1/embeddings', { input: null }, 'input'],
    [bert, '/v1/embeddings', { input: 7 }, 'input'],
    [bert, '/v1/embeddings', { input: [] }, 'input'],
    [bert, '/v1/embeddings', { input: [[]] }, 'input[0]'],
    [bert, '/v1/embeddings', { input: ['a', 3] }, 'input[1]'],
    [bert, '/v1/embeddings', { input: [1, 'a'] }, 'input[1]'],
    [bert, '/v1/embeddings', { input: [-1] }, 'input[0]'],
    [bert, '/v1/embeddings', { input: [1.5] }, 'input[0]'],
    [bert, '/v1/embeddings', { input: Array.from({ length: 2049 }, () => 'a') }, 'input'],
    [bert, '/v1/embeddings', { input: 'a', encoding_format: 'int8' }, 'encoding_format'],
    [bert, '/v1/embeddings', { input: 'a', dimensions: 0 }, 'dimensions'],
    [bert, '/v1/embeddings', { input: 'a', dimensions: 33 }, 'dimensions'],
    [bert, '/v1/embeddings', { input: 'a', truncate_prompt_tokens: 0 }, 'truncate_prompt_tokens'],
    [bert, '/v1/embeddings', { input: 'a', truncate_prompt_tokens: 1000 }, 'truncate_prompt_tokens'],
    [bert, '/v1/embeddings', { input: 'a', truncation_side: 'up' }, 'truncation_side'],
    [bert, '/score', { text_1: 'a' }, 'text_2'],
    [bert, '/score', { text_2: 'a' }, 'text_1'],
    [bert, '/score', { text_1: ['a', 'b'], text_2: ['c'] }, 'text_2'],
    [bert, '/score', { text_1: [], text_2: ['c'] }, 'text_1'],
    [bert, '/score', { text_1: 'a', text_2: [1] }, 'text_2[0]'],
    [bert, '/rerank', { documents: ['a'] }, 'query'],
    [bert, '/rerank', { query: 'a' }, 'documents'],
    [bert, '/rerank', { query: 'a', documents: [] }, 'documents'],
    [bert, '/rerank', { query: '', documents: ['a'] }, 'query'],
    [bert, '/rerank', { query: 'a', documents: ['a'], top_n: -1 }, 'top_n'],
    [bert, '/rerank', { query: 'a', documents: [{ title: 'a' }] }, null],
  ]
  for (const [server, path, body, param] of rows) {
    const { status, body: answer } = await server.post(path, body)
    const what = `${path} ${JSON.stringify(body).slice(0, 80)}: ${JSON.stringify(answer)}`
    t.is(status, 400, what)
    if (param !== null) t.is(answer.error.param, param, what)
  }
  const outside = await bert.post('/v1/embeddings', { input: [99_999] })
  t.is(outside.status, 400)
  t.regex(outside.body.error.message, /ids of this model/)
  t.is((await bert.post('/v1/embeddings', { model: 'other', input: 'a' })).status, 404)
  t.is((await bert.post('/score', { model: 'other', text_1: 'a', text_2: 'a' })).status, 404)
  t.is((await bert.post('/rerank', { model: 'other', query: 'a', documents: ['a'] })).status, 404)
})

test('hostile texts are embedded or refused, never a failure', async t => {
  const texts = ['\u0000', '\ud800', '🍕'.repeat(500), 'a'.repeat(100_000), ' ', '[CLS][SEP][MASK]', '\u202e\ufeff']
  for (const text of texts) {
    const { status } = await bert.post('/v1/embeddings', { input: text })
    t.true(status === 200 || status === 400, JSON.stringify(text.slice(0, 9)))
  }
  const together = await bert.post('/v1/embeddings', { input: texts })
  t.is(together.status, 200)
})

test.serial('an aborted request frees what it waits for', async t => {
  const controller = new AbortController()
  await bert.engine.pause('keep')
  const answer = bert.send('/v1/embeddings', { input: ['one', 'two'] }, {}, controller.signal)
  await until('it waits', () => bert.engine.numRequests === 1)
  controller.abort()
  await answer.then(
    response => t.true(response.status >= 400),
    () => t.pass(),
  )
  await until('nothing is left of it', () => bert.engine.numRequests === 0)
  bert.engine.resume()
})

test('beyond the bound clients are told to come again', async t => {
  const small = await TestHandler.create({ maxNumSeqs: 1, maxQueue: 1 }, { model: fixture('pooling/bert') })
  const input = Array.from({ length: 200 }, () => 'the cat sat on the mat '.repeat(7))
  const answers = await Promise.all(Array.from({ length: 6 }, () => small.send('/v1/embeddings', { input })))
  const statuses = answers.map(({ status }) => status)
  t.true(statuses.includes(200) && statuses.includes(429), statuses.join(' '))
  t.is(answers.find(({ status }) => status === 429)?.headers.get('retry-after'), '1')
  await small.engine.close()
})

test('the published schemas name the endpoints', async t => {
  const response = await bert.handler(new Request('http://localhost/openapi.json'))
  const { paths } = (await response.json()) as { paths: Record<string, unknown> }
  for (const path of ['/v1/embeddings', '/score', '/v1/score', '/rerank', '/v1/rerank', '/v2/rerank'])
    t.true(path in paths, path)
  t.true((embeddingResponseSchema as ZodType).safeParse({}).success === false)
})

test('metrics and the log know of embeddings, scores and rankings', async t => {
  const lines: [object, string | undefined][] = []
  const tell = (fields: object, message?: string) => lines.push([fields, message])
  const logger = { debug: tell, info: tell, warn: tell, error: tell }
  const handler = await TestHandler.create(
    { logger, logRequests: true, maxLogLength: 5 },
    { model: fixture('pooling/bert') },
  )
  const usage = []
  const asked: [string, object][] = [
    ['/v1/embeddings', { input: ['the cat sat', [5, 6, 7]] }],
    ['/score', { text_1: 'the cat', text_2: ['a dog', 'a mat'] }],
    ['/rerank', { query: 'the cat', documents: ['a dog', 'a mat', 'a cat'] }],
  ]
  for (const [path, body] of asked) usage.push((await handler.post(path, body)).body.usage.total_tokens)
  t.is((await handler.post('/v1/embeddings', { input: [''], dimensions: 100_000 })).status, 400)
  const gone = handler.send('/v1/embeddings', { input: ['the cat', 'the dog'] }, {}, AbortSignal.abort())
  await gone.catch(() => {})
  const response = await handler.handler(new Request('http://localhost/metrics'))
  const text = await response.text()
  const metric = (name: string) =>
    Number(new RegExp(`^vllm:${name.replace(/[{}]/g, '\\$&')}.* (\\S+)$`, 'm').exec(text)?.[1])
  const numTokens = usage.reduce((sum, tokens) => sum + tokens, 0)
  t.true(numTokens > 10)
  t.is(metric('prompt_tokens_total'), numTokens)
  t.is(metric('request_prompt_tokens_sum'), numTokens)
  t.is(metric('request_success_total{finished_reason="stop"'), 7)
  t.is(metric('request_success_total{finished_reason="error"'), 0)
  t.is(metric('e2e_request_latency_seconds_count'), 7)
  t.is(metric('generation_tokens_total'), 0)
  t.is(metric('num_requests_running'), 0)
  const received = lines.filter(([, message]) => message === 'received request').map(([fields]) => fields)
  t.deepEqual(
    received.slice(0, 3).map(fields => (fields as { inputs: unknown }).inputs),
    [
      ['the c', '3 ids'],
      [
        ['the c', 'a dog'],
        ['the c', 'a mat'],
      ],
      [
        ['the c', 'a dog'],
        ['the c', 'a mat'],
        ['the c', 'a cat'],
      ],
    ],
  )
  t.regex(String((received[0] as { requestId: string }).requestId), /^embd-/)
  await handler.engine.close()
})

test('a call that is aborted by its id ends, and is counted so', async t => {
  const handler = await TestHandler.create({ dev: true }, { model: fixture('pooling/bert') })
  await handler.engine.pause('keep')
  const answer = handler.send('/v1/embeddings', { input: ['one', 'two'] }, { 'x-request-id': 'mine' })
  await until('it waits', () => handler.engine.numRequests === 1)
  const load = await handler.handler(new Request('http://localhost/load'))
  t.deepEqual(await load.json(), { server_load: 1 })
  const aborted = await handler.post('/abort_requests', { request_ids: ['mine'] })
  t.deepEqual(aborted.body, { status: 'aborted', num_aborted: 1 })
  t.is((await answer).status, 500)
  await until('it is gone', () => handler.engine.numRequests === 0)
  const metrics = await (await handler.handler(new Request('http://localhost/metrics'))).text()
  t.regex(metrics, /request_success_total\{finished_reason="abort".* 2$/m)
  await handler.engine.close()
})

test('a text of a megabyte is cut before it is tokenized, and has the vector of its beginning', async t => {
  const vectorOf = async (input: string) => {
    const { status, body } = await bert.post('/v1/embeddings', { input })
    t.is(status, 200, JSON.stringify(body).slice(0, 200))
    return body.data[0].embedding
  }
  t.deepEqual(await vectorOf('a good dog '.repeat(100_000)), await vectorOf('a good dog '.repeat(1_000)))
})

test('pairs that repeat a long text too often are refused', async t => {
  const many = Array.from({ length: 2_000 }, () => 'a dog')
  const long = 'a good dog '.repeat(5_000)
  for (const [path, body, param] of [
    ['/score', { text_1: long, text_2: many }, 'text_2'],
    ['/rerank', { query: long, documents: many }, 'documents'],
  ] as const) {
    const { status, body: answer } = await bert.post(path, body)
    t.is(status, 400)
    t.is(answer.error.param, param)
    t.regex(answer.error.message, /characters in all/)
  }
})
