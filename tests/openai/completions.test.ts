// /v1/completions: what replies have, streamed and whole, for every field that changes them.

import test, { type ExecutionContext } from 'ava'
import { type Answer, allFree, leftInTheMiddle, TestHandler } from './test-server.js'

const server = await TestHandler.create({ promptTokensDetails: true })
test.after(() => server.engine.close())

const PATH = '/v1/completions'
const prompt = 'Once upon a time'
const greedy = { prompt, temperature: 0, max_tokens: 8 }
type Body = Answer['body']

async function complete(t: ExecutionContext, body: object): Promise<Body> {
  const answer = await server.post(PATH, body)
  t.is(answer.status, 200, JSON.stringify(answer.body))
  return answer.body
}

/** What the chunks of a stream say of each choice, put together. */
function joined(events: readonly Body[]) {
  const choices = new Map<number, Body>()
  for (const { choices: parts } of events.filter(event => event !== '[DONE]')) {
    for (const part of parts) {
      const choice = choices.get(part.index) ?? { text: '', token_ids: [], logprobs: [], finish_reason: null }
      choice.text += part.text
      choice.token_ids.push(...(part.token_ids ?? []))
      if (part.logprobs !== null) choice.logprobs.push(part.logprobs)
      choice.prompt_token_ids ??= part.prompt_token_ids
      choice.finish_reason ??= part.finish_reason
      choice.stop_reason ??= part.stop_reason
      choices.set(part.index, choice)
    }
  }
  return [...choices.keys()].toSorted((a, b) => a - b).map(index => choices.get(index))
}

test('a reply has the shape of OpenAI', async t => {
  const { id, created, ...body } = await complete(t, greedy)
  t.regex(id, /^cmpl-./)
  t.true(Math.abs(created - Date.now() / 1000) < 60)
  const [choice] = body.choices
  t.deepEqual(Object.keys(choice).toSorted(), [
    'finish_reason',
    'index',
    'logprobs',
    'prompt_logprobs',
    'prompt_token_ids',
    'stop_reason',
    'text',
    'token_ids',
  ])
  t.true(choice.text.length > 8)
  t.like(body, { object: 'text_completion', model: 'quire', choices: [{ index: 0, finish_reason: 'length' }] })
  t.like(body.usage, { completion_tokens: 8, total_tokens: body.usage.prompt_tokens + 8 })
})

test('without max_tokens there are 16', async t => {
  const { usage } = await complete(t, { prompt, ignore_eos: true })
  t.is(usage.completion_tokens, 16)
})

test('the id comes from the header, then from the body', async t => {
  const named = { ...greedy, request_id: 'mine' }
  t.is((await server.post(PATH, named)).body.id, 'cmpl-mine')
  t.is((await server.post(PATH, named, { 'x-request-id': 'theirs' })).body.id, 'cmpl-theirs')
})

test('two requests may have one id at once', async t => {
  const replies = await Promise.all([1, 2, 3].map(() => server.post(PATH, { ...greedy, request_id: 'same' })))
  t.deepEqual(
    replies.map(({ body }) => body.id),
    ['cmpl-same', 'cmpl-same', 'cmpl-same'],
  )
})

test('several prompts, several choices: numbered prompt by prompt', async t => {
  const prompts = ['Once upon a time', 'The little dog', 'One day']
  const body = { temperature: 0, max_tokens: 5 }
  const { choices, usage } = await complete(t, { ...body, prompt: prompts })
  const single = await Promise.all(prompts.map(one => complete(t, { ...body, prompt: one })))
  t.deepEqual(
    choices.map(({ index, text }: Body) => [index, text]),
    single.map((one, index) => [index, one.choices[0].text]),
  )
  t.is(
    usage.prompt_tokens,
    single.reduce((sum, one) => sum + one.usage.prompt_tokens, 0),
  )
  t.is(usage.completion_tokens, 15)
  const drawn = await complete(t, { prompt: prompts, n: 2, max_tokens: 4, seed: 1 })
  t.deepEqual(
    drawn.choices.map(({ index }: Body) => index),
    [0, 1, 2, 3, 4, 5],
  )
  t.is(drawn.usage.prompt_tokens, usage.prompt_tokens)
})

test('prompts as ids', async t => {
  const { body } = await server.post('/tokenize', { prompt })
  const byText = await complete(t, greedy)
  const byIds = await complete(t, { ...greedy, prompt: body.tokens })
  t.is(byIds.choices[0].text, byText.choices[0].text)
  const lists = await complete(t, { ...greedy, prompt: [body.tokens, body.tokens] })
  t.deepEqual(
    lists.choices.map(({ text }: Body) => text),
    [byText.choices[0].text, byText.choices[0].text],
  )
})

test('a seed repeats its draw', async t => {
  const body = { prompt, max_tokens: 12, seed: 7, temperature: 1.2 }
  const [first, again, other] = [
    await complete(t, body),
    await complete(t, body),
    await complete(t, { ...body, seed: 8 }),
  ]
  t.is(first.choices[0].text, again.choices[0].text)
  t.not(first.choices[0].text, other.choices[0].text)
})

for (const [title, extra] of Object.entries({
  plain: {},
  'several prompts and choices': { prompt: ['Once upon a time', 'The dog'], n: 3, temperature: 1, seed: 5 },
  'with an echo': { echo: true },
  'with ids': { return_token_ids: true },
  'with an echo and logprobs': { echo: true, logprobs: 2 },
  'with logprobs as ids': { logprobs: 1, return_tokens_as_token_ids: true },
  'until a text': { stop: [' day', 'girl'], max_tokens: 60 },
  'in intervals': { stream_interval: 4 },
})) {
  test(`a stream says what the whole reply says: ${title}`, async t => {
    const body = { ...greedy, ...extra }
    const whole = await complete(t, body)
    const events = await server.stream(PATH, { ...body, stream_options: { include_usage: true } })
    t.is(events.at(-1), '[DONE]')
    const { choices: none, usage } = events.at(-2)
    t.deepEqual(none, [])
    t.is(usage.completion_tokens, whole.usage.completion_tokens)
    t.is(usage.prompt_tokens, whole.usage.prompt_tokens)
    const choices = joined(events)
    for (const [index, choice] of whole.choices.entries()) {
      const streamed = choices[index]
      t.is(streamed.text, choice.text)
      t.is(streamed.finish_reason, choice.finish_reason)
      t.is(streamed.stop_reason ?? null, choice.stop_reason)
      if (choice.token_ids !== null) t.deepEqual(streamed.token_ids, choice.token_ids)
      if (choice.prompt_token_ids !== null) t.deepEqual(streamed.prompt_token_ids, choice.prompt_token_ids)
      if (choice.logprobs === null) continue
      for (const list of ['tokens', 'token_logprobs', 'text_offset', 'top_logprobs']) {
        t.deepEqual(
          streamed.logprobs.flatMap((part: Body) => part[list]),
          choice.logprobs[list],
          list,
        )
      }
    }
    t.is(choices.length, whole.choices.length)
  })
}

test('usage comes when it is asked for', async t => {
  const usages = async (options?: object) =>
    (await server.stream(PATH, { ...greedy, ...(options && { stream_options: options }) }))
      .filter(event => event !== '[DONE]')
      .map(({ choices, usage }) => [choices.length, usage?.completion_tokens ?? null])
  t.true((await usages()).every(([, tokens]) => tokens === null))
  t.deepEqual((await usages({ include_usage: true })).at(-1), [0, 8])
  const continuous = await usages({ include_usage: true, continuous_usage_stats: true })
  t.deepEqual(continuous.map(([, tokens]) => tokens).slice(0, 3), [1, 2, 3])
  t.deepEqual((await usages({ include_usage: null })).at(-1)?.[0], 1)
})

test('logprobs: four lists of one length, the sampled token among the likeliest', async t => {
  const { choices } = await complete(t, { ...greedy, logprobs: 3 })
  const [{ text, logprobs }] = choices
  t.is(logprobs.tokens.join(''), text)
  t.deepEqual(logprobs.text_offset, offsets(logprobs.tokens))
  for (const [index, token] of logprobs.tokens.entries()) {
    const top = logprobs.top_logprobs[index]
    t.is(Object.keys(top).length, 3)
    t.is(top[token], logprobs.token_logprobs[index])
    t.is(Math.max(...(Object.values(top) as number[])), top[token])
  }
  const sampledOnly = await complete(t, { ...greedy, logprobs: 0 })
  t.deepEqual(sampledOnly.choices[0].logprobs.token_logprobs, logprobs.token_logprobs)
  t.true(sampledOnly.choices[0].logprobs.top_logprobs.every((top: object) => Object.keys(top).length === 1))
})

function offsets(tokens: readonly string[]): number[] {
  return tokens.map((_, index) => [...tokens.slice(0, index).join('')].length)
}

test('logprobs of ids that are named', async t => {
  const { choices } = await complete(t, {
    ...greedy,
    logprobs: 3,
    logprob_token_ids: [5, 6, 7],
    return_tokens_as_token_ids: true,
  })
  for (const top of choices[0].logprobs.top_logprobs) {
    for (const id of [5, 6, 7]) t.true(`token_id:${id}` in top)
  }
})

test('echo: the prompt, then what follows, with logprobs of both', async t => {
  const plain = await complete(t, greedy)
  const { choices } = await complete(t, { ...greedy, echo: true, logprobs: 1 })
  const [{ text, logprobs }] = choices
  t.is(text, prompt + plain.choices[0].text)
  t.is(logprobs.tokens.length, plain.usage.prompt_tokens + 8)
  t.is(logprobs.token_logprobs[0], null)
  t.is(logprobs.top_logprobs[0], null)
  t.true(logprobs.token_logprobs.slice(1).every((value: unknown) => typeof value === 'number' && value <= 0))
  // The begin token is no part of the text: it takes no room.
  t.deepEqual(logprobs.text_offset.slice(0, 2), [0, 0])
  for (const [index, token] of logprobs.tokens.slice(1).entries()) {
    const offset = logprobs.text_offset[index + 1]
    t.is(text.slice(offset, offset + token.length), token)
  }
})

test('echo of nothing else: max_tokens 0', async t => {
  for (const extra of [{}, { logprobs: 1 }, { prompt: [5, 6, 7] }]) {
    const body = { prompt, max_tokens: 0, echo: true, ...extra }
    const { choices, usage } = await complete(t, body)
    const whole = choices[0]
    t.is(whole.finish_reason, 'length')
    t.deepEqual([usage.completion_tokens, usage.total_tokens], [0, usage.prompt_tokens])
    if (!('prompt' in extra)) t.is(whole.text, prompt)
    if (whole.logprobs !== null) t.is(whole.logprobs.tokens.length, usage.prompt_tokens)
    const [streamed] = joined(await server.stream(PATH, body))
    t.is(streamed.text, whole.text)
  }
})

test('prompt_logprobs: one table for each id, none for the first', async t => {
  const { choices, usage } = await complete(t, { ...greedy, prompt_logprobs: 2 })
  const table = choices[0].prompt_logprobs
  t.is(table.length, usage.prompt_tokens)
  t.is(table[0], null)
  for (const entry of table.slice(1)) {
    const ranks = Object.values(entry as Record<string, Body>).map(({ rank }) => rank)
    t.true(ranks.includes(1) && ranks.length >= 2)
  }
  const echoed = await complete(t, { ...greedy, echo: true, logprobs: 0, max_tokens: 1 })
  const ids = (await server.post('/tokenize', { prompt })).body.tokens
  for (const [index, id] of ids.entries()) {
    if (index === 0) continue
    t.is(table[index][id].logprob, echoed.choices[0].logprobs.token_logprobs[index])
  }
})

test('best_of: the likeliest of what was drawn, best first', async t => {
  const body = { prompt, max_tokens: 6, seed: 11, temperature: 1 }
  const all = await complete(t, { ...body, n: 6, logprobs: 0 })
  const sum = ({ logprobs }: Body) => logprobs.token_logprobs.reduce((total: number, one: number) => total + one, 0)
  const ranked = all.choices.toSorted((a: Body, b: Body) => sum(b) - sum(a))
  const best = await complete(t, { ...body, n: 2, best_of: 6 })
  t.deepEqual(
    best.choices.map(({ index, text }: Body) => [index, text]),
    ranked.slice(0, 2).map(({ text }: Body, index: number) => [index, text]),
  )
  t.is(best.choices[0].logprobs, null)
  t.is(best.usage.completion_tokens, all.usage.completion_tokens)
})

test('stop: texts, ids, what is kept, and what ended it', async t => {
  const free = await complete(t, { ...greedy, max_tokens: 40, return_token_ids: true })
  const { text, token_ids: ids } = free.choices[0]
  const word = text.split(' ')[3]
  const stopped = await complete(t, { ...greedy, max_tokens: 40, stop: word })
  t.is(stopped.choices[0].text, text.slice(0, text.indexOf(word)))
  t.like(stopped.choices[0], { finish_reason: 'stop', stop_reason: word })
  const kept = await complete(t, { ...greedy, max_tokens: 40, stop: [word], include_stop_str_in_output: true })
  t.is(kept.choices[0].text, text.slice(0, text.indexOf(word) + word.length))
  const byId = await complete(t, { ...greedy, max_tokens: 40, stop_token_ids: [ids[4]], return_token_ids: true })
  const at = ids.indexOf(ids[4])
  t.deepEqual(byId.choices[0].token_ids, ids.slice(0, at + 1))
  t.like(byId.choices[0], { finish_reason: 'stop', stop_reason: ids[4] })
  t.is(byId.usage.completion_tokens, at + 1)
})

test('min_tokens, ignore_eos, logit_bias, allowed_token_ids and bad_words steer what is said', async t => {
  const free = await complete(t, { ...greedy, return_token_ids: true })
  const [{ text, token_ids: ids }] = free.choices
  const only = await complete(t, { ...greedy, allowed_token_ids: [70, 71], return_token_ids: true })
  t.true(only.choices[0].token_ids.every((id: number) => id === 70 || id === 71))
  const biased = await complete(t, { ...greedy, logit_bias: { 70: 100 }, return_token_ids: true })
  t.true(biased.choices[0].token_ids.every((id: number) => id === 70))
  const banned = await complete(t, { ...greedy, logit_bias: { [ids[0]]: -100 }, return_token_ids: true })
  t.not(banned.choices[0].token_ids[0], ids[0])
  const word = text.trim().split(' ')[0]
  const without = await complete(t, { ...greedy, bad_words: [word], max_tokens: 20 })
  t.false(without.choices[0].text.split(/\W+/).includes(word))
  const eos = server.engine.modelInfo.eosTokenIds[0] as number
  const ended = await complete(t, { ...greedy, logit_bias: { [eos]: 100 } })
  t.like(ended.choices[0], { text: '', finish_reason: 'stop', stop_reason: null })
  const longer = await complete(t, { ...greedy, logit_bias: { [eos]: 100 }, min_tokens: 5 })
  t.is(longer.usage.completion_tokens, 6)
  const deaf = await complete(t, { ...greedy, logit_bias: { [eos]: 100 }, ignore_eos: true })
  t.is(deaf.usage.completion_tokens, 8)
})

test('repetition_detection ends what says the same again and again', async t => {
  const body = { ...greedy, allowed_token_ids: [70], max_tokens: 40, return_token_ids: true }
  const detection = { min_pattern_size: 1, max_pattern_size: 2, min_count: 5 }
  const { choices } = await complete(t, { ...body, repetition_detection: detection })
  t.like(choices[0], { finish_reason: 'repetition', stop_reason: 'repetition_detected' })
  t.deepEqual(choices[0].token_ids, [70, 70, 70, 70, 70])
  const off = await complete(t, { ...body, repetition_detection: { max_pattern_size: 0, min_count: 0 } })
  t.is(off.choices[0].finish_reason, 'length')
})

test('truncate_prompt_tokens keeps a side of the prompt', async t => {
  const { body } = await server.post('/tokenize', { prompt })
  const ask = async (extra: object) => {
    const { choices, usage } = await complete(t, { ...greedy, return_token_ids: true, ...extra })
    t.is(usage.prompt_tokens, choices[0].prompt_token_ids.length)
    return choices[0].prompt_token_ids
  }
  t.deepEqual(await ask({ truncate_prompt_tokens: 2 }), body.tokens.slice(-2))
  t.deepEqual(await ask({ truncate_prompt_tokens: 2, truncation_side: 'right' }), body.tokens.slice(0, 2))
  t.deepEqual(await ask({ truncate_prompt_tokens: 100 }), body.tokens)
  const long = Array.from({ length: 600 }, (_, index) => 60 + (index % 50))
  t.deepEqual(await ask({ prompt: long, truncate_prompt_tokens: -1 }), long.slice(600 - (512 - 8)))
})

test.serial('cached tokens are told, and a salt keeps caches apart', async t => {
  const long = Array.from({ length: 80 }, (_, index) => 100 + index)
  const cached = async (salt?: string) =>
    (await complete(t, { prompt: long, max_tokens: 1, ...(salt && { cache_salt: salt }) })).usage.prompt_tokens_details
      .cached_tokens
  t.is(await cached(), 0)
  t.is(await cached(), 64)
  t.is(await cached('a'), 0)
  t.is(await cached('a'), 64)
  t.is(await cached('b'), 0)
})

test.serial('a reader that leaves frees what its stream held', async t => {
  const controller = new AbortController()
  const response = await server.send(
    PATH,
    { prompt, stream: true, max_tokens: 400, n: 4, ignore_eos: true },
    {},
    controller.signal,
  )
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await reader.read()
  t.true(server.engine.numRequests > 0)
  await reader.cancel()
  t.true(await allFree(server.engine))
})

test.serial('a caller that leaves before the reply frees what it held', async t => {
  const body = { prompt, max_tokens: 400, n: 4, ignore_eos: true }
  await leftInTheMiddle(server.engine, signal => server.send(PATH, body, {}, signal)).catch(() => {})
  t.true(await allFree(server.engine))
})

test.serial('a stream that the server ends tells an error, then [DONE]', async t => {
  const response = await server.send(PATH, {
    prompt,
    stream: true,
    max_tokens: 450,
    ignore_eos: true,
    request_id: 'doomed',
  })
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let text = (await reader.read()).value ?? ''
  server.engine.abortAll()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    text += value
  }
  const frames = text.trimEnd().split('\n\n')
  t.is(frames.at(-1), 'data: [DONE]')
  const { error } = JSON.parse((frames.at(-2) as string).slice(6))
  t.deepEqual([error.type, error.code], ['InternalServerError', 500])
})
