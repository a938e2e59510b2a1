// The endpoints for operators: models, health, load, metrics, and those for development.

import test from 'ava'
import { Engine } from '../../ts/src/index.js'
import { createHandler } from '../../ts/src/server/index.js'
import { completion, handleFake, isIdle, serveFake, until } from './served-engine.js'

const BASE = 'http://localhost'
const slow = { onStep: () => new Promise<void>(resolve => setTimeout(resolve, 5)) }

function caller(handler: (request: Request) => Promise<Response>) {
  const call = async (path: string, init: RequestInit = {}) => {
    const response = await handler(new Request(`${BASE}${path}`, init))
    const text = await response.text()
    const isJson = response.headers.get('content-type') === 'application/json'
    return { status: response.status, text, json: isJson ? JSON.parse(text) : undefined }
  }
  return { call, post: (path: string) => call(path, { method: 'POST' }) }
}

test('models by all their names, with slashes too', async t => {
  const { handler } = await handleFake(t, { modelNames: ['org/model', 'alias'] })
  const { call } = caller(handler)
  const { json } = await call('/v1/models')
  t.deepEqual(
    json.data.map(({ id, object, root, max_model_len: length }: Record<string, unknown>) => [id, object, root, length]),
    [
      ['org/model', 'model', 'org/model', 4096],
      ['alias', 'model', 'org/model', 4096],
    ],
  )
  for (const path of ['/v1/models/org/model', '/v1/models/org%2Fmodel', '/v1/models/alias'])
    t.is((await call(path)).status, 200, path)
  t.is((await call('/v1/models/org')).status, 404)
  t.is((await call('/v1/models/')).status, 404)
  const reply = await call('/v1/completions', completion({ model: 'alias' }))
  t.is(reply.json.model, 'org/model')
})

test('health, ping, version, load', async t => {
  const { handler, engine } = await handleFake(t, {}, slow)
  const { call, post } = caller(handler)
  for (const reply of [await call('/health'), await call('/ping'), await post('/ping')]) {
    t.is(reply.status, 200)
    t.is(reply.text, '')
  }
  t.regex((await call('/version')).json.version, /^\d+\.\d+\.\d+/)
  const running = call('/v1/completions', completion({ max_tokens: 50 }))
  await until('it runs', () => engine.numRequests === 1)
  t.deepEqual((await call('/load')).json, { server_load: 1 })
  await running
  t.deepEqual((await call('/load')).json, { server_load: 0 })
  await engine.close()
  t.is((await call('/health')).status, 503)
  t.is((await call('/v1/completions', completion())).status, 503)
})

test('the endpoints for development are there only when asked for', async t => {
  const { handler } = await handleFake(t)
  const { call, post } = caller(handler)
  for (const path of ['/reset_prefix_cache', '/abort_requests', '/pause', '/resume'])
    t.is((await post(path)).status, 404)
  for (const path of ['/server_info', '/is_paused']) t.is((await call(path)).status, 404)
})

test('requests are aborted by their ids, or all', async t => {
  const { handler, engine } = await handleFake(t, { dev: true }, slow)
  const { call } = caller(handler)
  const named = (id: string) => {
    const { headers, ...rest } = completion({ max_tokens: 2000 })
    return call('/v1/completions', { ...rest, headers: { ...headers, 'x-request-id': id } })
  }
  const replies = ['one', 'two', 'three'].map(named)
  await until('all run', () => engine.numRequests === 3)
  const abort = (body: object) => call('/abort_requests', { ...completion(), body: JSON.stringify(body) })
  t.deepEqual((await abort({ request_ids: ['one', 'other'] })).json, { status: 'aborted', num_aborted: 1 })
  t.is((await replies[0])?.status, 500)
  t.deepEqual((await abort({ request_ids: ['cmpl-two'] })).json, { status: 'aborted', num_aborted: 1 })
  t.is((await abort({ request_ids: 'one' })).status, 400)
  t.deepEqual((await abort({})).json, { status: 'aborted', num_aborted: 1 })
  await Promise.all(replies)
  await until('nothing is left', () => isIdle(engine))
})

test('while paused, requests wait; they go on after', async t => {
  const { handler, engine } = await handleFake(t, { dev: true }, slow)
  const { call, post } = caller(handler)
  t.deepEqual((await call('/is_paused')).json, { is_paused: false })
  t.is((await post('/pause?mode=keep')).status, 200)
  t.deepEqual((await call('/is_paused')).json, { is_paused: true })
  const waiting = call('/v1/completions', completion())
  await until('it waits', () => engine.numRequests === 1)
  await new Promise(resolve => setTimeout(resolve, 50))
  t.is(engine.stats().numGeneratedTokens, 0)
  t.is((await post('/resume')).status, 200)
  t.is((await waiting).status, 200)
  t.is((await post('/pause?mode=never')).status, 400)
  const aborted = call('/v1/completions', completion({ max_tokens: 2000 }))
  await until('it runs', () => engine.stats().numRunning === 1)
  t.is((await post('/pause')).status, 200)
  t.is((await aborted).status, 500)
  await post('/resume')
})

test('a reply that the operator caused is a warning in the log, a failure an error with its stack', async t => {
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = []
  const level = (name: string) => (fields: object, message: string) => {
    lines.push({ level: name, fields: { ...fields }, message })
  }
  const logger = { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') }
  let isBroken = false
  const fake = {
    onStep: async () => {
      if (isBroken) throw new Error('out of order')
      await slow.onStep()
    },
  }
  const { engine, server, url } = await serveFake(t, { dev: true, logger, accessLog: false }, fake)
  const ask = () => fetch(`${url}/v1/completions`, completion({ max_tokens: 4000 }))
  const told = () => lines.splice(0).map(line => [line.level, line.fields.status, line.fields.err !== undefined])
  const running = ask()
  await until('it runs', () => engine.stats().numRunning === 1)
  await fetch(`${url}/abort_requests`, { ...completion(), body: '{}' })
  t.is((await running).status, 500)
  t.deepEqual(told(), [['warn', 500, false]])
  isBroken = true
  t.is((await ask()).status, 500)
  t.true(told().some(line => line.join() === 'error,500,true'))
  isBroken = false
  const last = ask()
  await until('it runs', () => engine.stats().numRunning === 1)
  await server.close()
  const reply = await last
  t.is(reply.status, 503)
  t.true((await reply.text()).includes('shutting down'))
  t.deepEqual(told(), [['warn', 503, false]])
})

test('the prefix cache is reset when nothing runs', async t => {
  const { handler, engine } = await handleFake(t, { dev: true }, slow)
  const { call, post } = caller(handler)
  const running = call('/v1/completions', completion({ max_tokens: 50 }))
  await until('it runs', () => engine.stats().numRunning === 1)
  t.is((await post('/reset_prefix_cache')).status, 409)
  await running
  t.is((await post('/reset_prefix_cache')).status, 200)
})

test('what runs is told, without keys', async t => {
  const { handler } = await handleFake(t, { dev: true, apiKeys: ['a-secret'] })
  const { json, text } = await caller(handler).call('/server_info')
  t.is(json.config.gate.num_api_keys, 1)
  t.false(text.includes('a-secret'))
  t.is(json.model.vocab_size, 2048)
})

/** The samples of one family, by their labels. */
function samples(text: string, name: string): Record<string, number> {
  const lines = text.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return Object.fromEntries(
    lines.map(line => {
      const at = line.lastIndexOf(' ')
      return [line.slice(name.length, at), Number(line.slice(at + 1))]
    }),
  )
}

const MODEL = 'model_name="quire",engine="0"'

test('metrics: counts of what was asked and answered, under the names of vLLM', async t => {
  const { handler, engine } = await handleFake(t, {}, slow)
  const { call } = caller(handler)
  const prompt = Array.from({ length: 40 }, (_, index) => index + 3)
  await call('/v1/completions', completion({ prompt, max_tokens: 10 }))
  await call('/v1/completions', completion({ prompt, max_tokens: 5 }))
  await call('/v1/completions', completion({ prompt: 'words', max_tokens: 3, stream: true }))
  await call('/v1/completions', completion({ prompt: [] }))
  const controller = new AbortController()
  const left = handler(
    new Request(`${BASE}/v1/completions`, { ...completion({ max_tokens: 2000 }), signal: controller.signal }),
  )
  await until('it has tokens', () => engine.stats().numGeneratedTokens > 20)
  controller.abort()
  await left
  await until('its blocks are free', () => isIdle(engine))
  await call('/nothing/here')
  const { text } = await call('/metrics')
  const generated = engine.stats().numGeneratedTokens
  const numWords = (samples(text, 'vllm:prompt_tokens_total')[`{${MODEL}}`] ?? 0) - 83
  t.true(numWords >= 1 && numWords <= 5)
  const one = (name: string, labels = '') => samples(text, name)[`{${labels === '' ? '' : `${labels},`}${MODEL}}`]
  t.is(one('vllm:generation_tokens_total'), generated)
  t.is(one('vllm:request_success_total', 'finished_reason="length"'), 3)
  t.is(one('vllm:request_success_total', 'finished_reason="abort"'), 1)
  t.is(one('vllm:request_success_total', 'finished_reason="stop"'), 0)
  t.is(one('vllm:num_requests_running'), 0)
  t.is(one('vllm:num_requests_waiting'), 0)
  t.is(one('vllm:kv_cache_usage_perc'), 0)
  t.is(one('vllm:num_preemptions_total'), 0)
  t.is(one('vllm:spec_decode_num_draft_tokens_total'), 0)
  t.is(one('vllm:prefix_cache_hits_total'), engine.stats().prefixCacheHits)
  t.true((one('vllm:prefix_cache_hits_total') ?? 0) >= 36)
  t.is(one('vllm:prompt_tokens_cached_total'), one('vllm:prompt_tokens_by_source_total', 'source="local_cache_hit"'))
  t.is(one('vllm:time_to_first_token_seconds_count'), 4)
  t.is(one('vllm:inter_token_latency_seconds_count'), generated - 4)
  t.is(one('vllm:e2e_request_latency_seconds_count'), 4)
  t.is(one('vllm:request_generation_tokens_sum'), generated)
  t.is(one('vllm:request_generation_tokens_count'), 4)
  t.is(one('vllm:request_params_max_tokens_sum'), 2018)
  t.is(one('vllm:request_params_n_sum'), 4)
  t.is(one('vllm:iteration_tokens_total_sum'), engine.stats().numScheduledTokens)
  t.is(one('vllm:iteration_tokens_total_count'), engine.stats().numSteps)
  const queue = one('vllm:request_queue_time_seconds_sum') ?? Number.NaN
  const inference = one('vllm:request_inference_time_seconds_sum') ?? Number.NaN
  t.true(queue >= 0 && inference > 0)
  t.true((one('vllm:e2e_request_latency_seconds_sum') ?? 0) >= inference)
  const requests = samples(text, 'http_requests_total')
  t.is(requests['{handler="/v1/completions",method="POST",status="2xx"}'], 3)
  // The empty prompt, and the client that left.
  t.is(requests['{handler="/v1/completions",method="POST",status="4xx"}'], 2)
  t.is(requests['{handler="none",method="GET",status="4xx"}'], 1)
})

/** What vLLM gives without adapters, connectors and options for debugging. */
const families = {
  gauge: `num_requests_running num_requests_waiting num_requests_waiting_by_reason engine_sleep_state kv_cache_usage_perc
    cache_config_info`,
  counter: `prefix_cache_queries_total prefix_cache_hits_total external_prefix_cache_queries_total
    external_prefix_cache_hits_total mm_cache_queries_total mm_cache_hits_total num_preemptions_total prompt_tokens_total
    prompt_tokens_by_source_total prompt_tokens_cached_total generation_tokens_total request_success_total
    tool_call_parser_invocations_total spec_decode_num_drafts_total spec_decode_num_draft_tokens_total spec_decode_num_accepted_tokens_total
    spec_decode_num_accepted_tokens_per_pos_total`,
  histogram: `time_to_first_token_seconds inter_token_latency_seconds request_time_per_output_token_seconds
    e2e_request_latency_seconds request_queue_time_seconds request_prefill_time_seconds request_decode_time_seconds
    request_inference_time_seconds request_prompt_tokens request_generation_tokens request_max_num_generation_tokens
    request_params_n request_params_max_tokens iteration_tokens_total request_prefill_kv_computed_tokens`,
}

test('metrics: every family of vLLM is there before anything was asked, each sample with its model and engine', async t => {
  const { handler } = await handleFake(t)
  const { text } = await caller(handler).call('/metrics')
  const own = text.split('\n').filter(line => line.startsWith('vllm:'))
  for (const [type, names] of Object.entries(families)) {
    for (const name of names.split(/\s+/)) {
      t.true(text.includes(`# TYPE vllm:${name} ${type}\n`), name)
      // Positions of guesses are those of an engine that guesses.
      const isThere = own.some(line => line.startsWith(`vllm:${name}`))
      t.is(isThere, !name.includes('per_pos'), name)
    }
  }
  t.true(own.every(line => line.includes(MODEL)))
  t.is(samples(text, 'vllm:engine_sleep_state')[`{sleep_state="awake",${MODEL}}`], 1)
})

test('metrics: guesses that were right, by their position', async t => {
  const speculativeConfig = {
    method: 'ngram',
    numSpeculativeTokens: 4,
    promptLookupMin: 1,
    promptLookupMax: 2,
  } as const
  await using engine = await Engine.create({ maxModelLen: 256, numBlocks: 64, speculativeConfig })
  const { call } = caller(createHandler(engine))
  const positions = async () => {
    const { text } = await call('/metrics')
    const labels = (position: number) => `{position="${position}",${MODEL}}`
    const counts = samples(text, 'vllm:spec_decode_num_accepted_tokens_per_pos_total')
    t.deepEqual(Object.keys(counts), [0, 1, 2, 3].map(labels))
    return { counts: Object.values(counts), text }
  }
  t.deepEqual((await positions()).counts, [0, 0, 0, 0])
  // Two tokens that are said again and again.
  const fields = { prompt: [5, 9, 5, 9, 5, 9], max_tokens: 60, logit_bias: { 5: 100 } }
  t.is((await call('/v1/completions', completion(fields))).status, 200)
  const { counts, text } = await positions()
  const sum = counts.reduce((total, count) => total + count, 0)
  t.is(samples(text, 'vllm:spec_decode_num_accepted_tokens_total')[`{${MODEL}}`], sum)
  t.true((counts[3] ?? 0) > 0, `${counts}`)
  t.deepEqual(
    counts.toSorted((a, b) => b - a),
    counts,
  )
  t.true((counts[0] ?? 0) <= (samples(text, 'vllm:spec_decode_num_drafts_total')[`{${MODEL}}`] ?? 0))
})

test('metrics: families have the bounds of vLLM', async t => {
  const { handler } = await handleFake(t)
  const { text } = await caller(handler).call('/metrics')
  const bounds = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"`, 'gm'))].map(([, bound]) => bound)
  t.is(
    bounds('vllm:time_to_first_token_seconds').join(' '),
    '0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 20 40 80 160 640 2560 +Inf',
  )
  t.is(bounds('vllm:request_generation_tokens').join(' '), '1 2 5 10 20 50 100 200 500 1000 2000 +Inf')
  t.is(bounds('vllm:e2e_request_latency_seconds').at(-2), '7680')
  t.is(bounds('vllm:inter_token_latency_seconds').length, 20)
})

test('metrics: a counter never shrinks between two looks', async t => {
  const { handler } = await handleFake(t)
  const { call } = caller(handler)
  const seen: number[] = []
  for (let round = 0; round < 3; round += 1) {
    await call('/v1/completions', completion())
    seen.push(samples((await call('/metrics')).text, 'vllm:generation_tokens_total')[`{${MODEL}}`] ?? -1)
  }
  t.deepEqual(seen, [8, 16, 24])
})
