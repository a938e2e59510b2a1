// /tokenize, /detokenize and the render endpoints.

import test from 'ava'
import { createHandler } from '../../ts/src/server/index.js'
import { tokenizerInfoBody } from '../../ts/src/server/protocol/tokenizer-info.js'
import { tokenOffsets } from '../../ts/src/server/tokenize/token-offsets.js'
import { TestHandler } from './test-server.js'

const server = await TestHandler.create({ modelNames: ['tiny'] })
test.after(() => server.engine.close())

for (const text of [
  'Hello',
  'Once upon a time, there was',
  'Zoë 日本語 🙂🙃',
  '  spaces\n\nand lines ',
  '<|user|>x<|end|>',
  '',
]) {
  test(`there and back: ${JSON.stringify(text)}`, async t => {
    const { status, body } = await server.post('/tokenize', { prompt: text, add_special_tokens: false })
    t.is(status, 200)
    t.is(body.count, body.tokens.length)
    t.is(body.max_model_len, 512)
    t.is(body.token_strs, null)
    const back = await server.post('/detokenize', { tokens: body.tokens })
    t.deepEqual(back, { status: 200, body: { prompt: text } })
  })
}

test('special tokens are added unless that is switched off', async t => {
  const [added, plain] = [
    await server.post('/tokenize', { prompt: 'Hello' }),
    await server.post('/tokenize', { prompt: 'Hello', add_special_tokens: false }),
  ]
  t.deepEqual(added.body.tokens.slice(1), plain.body.tokens)
})

test('the text of each token', async t => {
  const { body } = await server.post('/tokenize', { prompt: 'Hello you', return_token_strs: true })
  t.deepEqual(body.token_strs, ['<|begin|>', 'Hello', ' you'])
})

test('messages are tokenized as a chat would be', async t => {
  const messages = [{ role: 'user', content: 'Hello' }]
  const { body } = await server.post('/tokenize', { messages })
  const rendered = await server.post('/v1/chat/completions/render', { messages })
  t.deepEqual(body.tokens, rendered.body.token_ids)
  const { body: text } = await server.post('/detokenize', { tokens: body.tokens })
  t.is(text.prompt, rendered.body.prompt_text)
})

test('return_token_offsets: where the tokens stand in what was rendered', async t => {
  const text = 'Héllo, wörld 😀 \n\n  is <think> done'
  const body = { return_token_offsets: true }
  const { body: chat } = await server.post('/v1/chat/completions/render', {
    messages: [{ role: 'user', content: text }],
    ...body,
  })
  const { body: completions } = await server.post('/v1/completions/render', {
    prompt: [text, '😀a'.repeat(13)],
    ...body,
  })
  for (const { prompt_text: prompt, token_ids: ids, token_offsets: offsets } of [chat, ...completions]) {
    const characters = [...prompt]
    t.is(offsets.length, ids.length)
    let end = 0
    for (const [index, [from, to]] of offsets.entries()) {
      const said = server.engine.decode([ids[index]], false)
      const stands = characters.slice(from, to).join('')
      // A part of a character has all of it; the id that begins every text stands nowhere.
      if (to === 0) t.is(index, 0)
      else if (said.includes('\uFFFD')) t.true(from <= end && to > from)
      else t.is(stands, said)
      end = Math.max(end, to)
    }
    t.is(end, characters.length)
  }
  const { body: plain } = await server.post('/v1/completions/render', { prompt: 'Hello' })
  t.is(plain[0].token_offsets, null)
  const { body: bare } = await server.post('/v1/completions/render', { prompt: [5, 6], ...body })
  t.is(bare[0].token_offsets, null)
  const { body: generated, status } = await server.post('/v1/completions', { prompt: 'Hello', max_tokens: 1, ...body })
  t.is(status, 200)
  t.false('token_offsets' in generated)
})

test('offsets of tokens that lose their space, share characters, stand nowhere, or are of another text', t => {
  const words: Readonly<Record<number, string>> = { 1: 'Once', 2: 'upon', 3: '', 4: '<s>', 5: 'é' }
  const decode = (ids: readonly number[], skips: boolean): string => {
    if (ids.length === 2 && ids[0] === 6) return '😀'
    return ids.map(id => (id === 4 && skips ? '' : (words[id] ?? '\uFFFD'))).join('')
  }
  const of = (text: string, ...ids: number[]) => tokenOffsets(text, ids, decode)
  t.deepEqual(of('Once upon', 4, 1, 2), [
    [0, 0],
    [0, 4],
    [4, 9],
  ])
  t.deepEqual(of('<s>Once', 4, 1), [
    [0, 3],
    [3, 7],
  ])
  t.deepEqual(of('é😀é', 5, 6, 7, 5), [
    [0, 1],
    [1, 2],
    [1, 2],
    [2, 3],
  ])
  t.deepEqual(of('Once  upon', 1, 3, 2), [
    [0, 4],
    [4, 5],
    [5, 10],
  ])
  t.is(of('ONCE', 1), null)
  t.is(of('Once upon', 1), null)
  t.is(of('Once', 1, 6), null)
  t.deepEqual(of(''), [])
})

test('a rendered completion: what the engine would get', async t => {
  const body = { prompt: ['Hello', [5, 6]], max_tokens: 7, top_p: 0.5, stop: 'x', seed: 4, cache_salt: 's' }
  const { status, body: rendered } = await server.post('/v1/completions/render', body, { 'x-request-id': 'r' })
  t.is(status, 200)
  t.is(rendered.length, 2)
  t.like(rendered[0], { request_id: 'cmpl-r', prompt_text: 'Hello', model: 'tiny', stream: false, cache_salt: 's' })
  t.like(rendered[0].sampling_params, { max_tokens: 7, top_p: 0.5, seed: 4, n: 1 })
  t.deepEqual(rendered[0].sampling_params.stop, ['x'])
  t.deepEqual(rendered[1].token_ids, [5, 6])
  t.is(server.engine.numRequests, 0)
})

for (const [title, path, body, param] of [
  ['no prompt', '/tokenize', {}, 'prompt'],
  ['a prompt that is no text', '/tokenize', { prompt: 4 }, 'prompt'],
  ['messages without a role', '/tokenize', { messages: [{}] }, 'messages[0].role'],
  [
    'a message that is continued and begun',
    '/tokenize',
    { messages: [{ role: 'user', content: 'a' }], continue_final_message: true, add_generation_prompt: true },
    'continue_final_message',
  ],
  ['no tokens', '/detokenize', {}, 'tokens'],
  ['a negative id', '/detokenize', { tokens: [-1] }, 'tokens[0]'],
  ['a rendered chat that would be refused', '/v1/chat/completions/render', { messages: [] }, 'messages'],
  ['a rendered completion that would be refused', '/v1/completions/render', { prompt: 'a', n: 0 }, 'n'],
] as const) {
  test(`refused: ${title}`, async t => {
    const answer = await server.post(path, body)
    t.is(answer.status, 400, JSON.stringify(answer.body))
    t.is(answer.body.error.param, param)
  })
}

test('ids beyond the vocabulary', async t => {
  const { status, body } = await server.post('/detokenize', { tokens: [1, 99_999_999] })
  t.is(status, 400, JSON.stringify(body))
})

test('another model', async t => {
  for (const path of ['/tokenize', '/detokenize']) {
    const { status, body } = await server.post(path, { model: 'other', prompt: 'a', tokens: [1] })
    t.is(status, 404)
    t.is(body.error.code, 'model_not_found')
  }
})

test('/tokenizer_info: the configuration of the tokenizer, when it is asked for', async t => {
  t.is((await server.handler(new Request('http://localhost/tokenizer_info'))).status, 404)
  const { engine } = server
  const get = async (over: typeof engine) => {
    const response = await createHandler(over, { tokenizerInfo: true })(new Request('http://localhost/tokenizer_info'))
    return { status: response.status, body: (await response.json()) as Record<string, string> }
  }
  const { status, body } = await get(engine)
  t.is(status, 200)
  t.is(body.chat_template, engine.chatTemplateSource(false))
  t.regex(body.tokenizer_class ?? '', /Tokenizer/)
  t.is(typeof body.eos_token, 'string')
  t.false('name_or_path' in body || 'vocab_file' in body)
  const bare = await TestHandler.create({}, { loadTokenizer: false })
  t.is((await get(bare.engine)).status, 404)
  await bare.engine.close()
})

test('special tokens with flags are their texts; paths stay where they are', t => {
  const config = {
    bos_token: { content: '<s>', lstrip: false },
    pad_token: null,
    vocab_file: 'vocab.json',
    model_max_length: 9,
  }
  t.deepEqual(tokenizerInfoBody(config, undefined) as object, {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<s>',
    pad_token: null,
    model_max_length: 9,
  })
})
