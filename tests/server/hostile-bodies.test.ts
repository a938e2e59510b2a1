// Bodies that no client sends by mistake, to every endpoint that takes one: the answer is an error of the client's, of the
// endpoint's shape, and the next request is served. And what they cost: nothing is built of a body that is too much.

import test from 'ava'
import { TestHandler } from '../openai/test-server.js'

const server = await TestHandler.create({ modelNames: ['tiny'] })
test.after(() => server.engine.close())

const hi = [{ role: 'user', content: 'hi' }]

/** A body that each endpoint takes. */
const taken: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  '/v1/completions': { prompt: 'hi', max_tokens: 1 },
  '/v1/completions/render': { prompt: 'hi', max_tokens: 1 },
  '/v1/chat/completions': { messages: hi, max_tokens: 1 },
  '/v1/chat/completions/render': { messages: hi, max_tokens: 1 },
  '/v1/responses': { input: 'hi', max_output_tokens: 16 },
  '/v1/messages': { model: 'tiny', messages: hi, max_tokens: 1 },
  '/v1/messages/count_tokens': { model: 'tiny', messages: hi },
  '/v1/embeddings': { input: 'hi' },
  '/v1/score': { text_1: 'hi', text_2: 'ho' },
  '/v1/rerank': { query: 'hi', documents: ['ho'] },
  '/tokenize': { prompt: 'hi' },
  '/detokenize': { tokens: [5] },
}
const paths = Object.keys(taken)
/** The field of each endpoint that has its text, and a text in it. */
const textIn: Readonly<Record<string, (text: string) => object>> = {
  '/v1/completions': prompt => ({ prompt }),
  '/v1/completions/render': prompt => ({ prompt }),
  '/v1/chat/completions': content => ({ messages: [{ role: 'user', content }] }),
  '/v1/chat/completions/render': content => ({ messages: [{ role: 'user', content }] }),
  '/v1/responses': input => ({ input }),
  '/v1/messages': content => ({ messages: [{ role: 'user', content }] }),
  '/v1/messages/count_tokens': content => ({ messages: [{ role: 'user', content }] }),
  '/v1/embeddings': input => ({ input }),
  '/v1/score': other => ({ text_2: other }),
  '/v1/rerank': document => ({ documents: [document] }),
  '/tokenize': prompt => ({ prompt }),
}

async function send(path: string, body: string | Uint8Array<ArrayBuffer>) {
  const request = new Request(`http://localhost${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  const response = await server.handler(request)
  const text = await response.text()
  return { status: response.status, text, body: JSON.parse(text) }
}

/** Fields laid over a body that is taken, as JSON text. */
function over(path: string, fields: string): string {
  const { length } = fields
  return `${JSON.stringify(taken[path]).slice(0, -1)}${length > 0 ? ',' : ''}${fields}}`
}

/** JSON that is nothing for any endpoint. */
const refused: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>> = {
  'no JSON': '{"a":',
  'a list': '[]',
  'a text': '"x"',
  null: 'null',
  'a number that is none': '{"a":NaN}',
  'bytes that are no UTF-8': new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  'half of a character': new Uint8Array([0x7b, 0x22, 0xe2, 0x82, 0x22, 0x3a, 0x31, 0x7d]),
  'a byte order mark of UTF-16': new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]),
  'a list that is too deep': `{"a":${'['.repeat(100_000)}`,
  'objects that are too deep': `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
  'too many objects': `{"a":[${'{},'.repeat(200_000)}1]}`,
  'too many lists': `{"a":[${'[],'.repeat(200_000)}1]}`,
  'too many names': `{${Array.from({ length: 200_000 }, (_, index) => `"k${index}":1`).join(',')}}`,
  'too many values': `{"a":[${'1,'.repeat(5_000_000)}1]}`,
}

for (const [title, body] of Object.entries(refused)) {
  test(`refused everywhere: ${title}`, async t => {
    for (const path of paths) {
      const { status, body: reply } = await send(path, body)
      t.is(status, 400, `${path}: ${JSON.stringify(reply)}`)
      t.is(typeof reply.error.message, 'string')
      t.true(reply.error.message.length < 400, reply.error.message)
    }
  })
}

/** Fields that nobody knows, and values in odd spelling: what is meant is what is answered. */
const harmless: Readonly<Record<string, string>> = {
  'the prototype as a name': '"__proto__":{"stream":true,"n":0,"echo":1},"constructor":{"prototype":1}',
  'names of every object': '"hasOwnProperty":1,"toString":2,"valueOf":null,"then":{},"toJSON":"x"',
  'an empty name': '"":1," ":2,"\\u0000":3',
  'halves of surrogate pairs': '"user":"\\ud800 \\udfff","x\\ud83d":1',
  'an unknown list of many': `"junk":[${'1,'.repeat(50_000)}1]`,
  'names of many fields': Array.from({ length: 20_000 }, (_, index) => `"k${index}":1`).join(','),
}

for (const [title, fields] of Object.entries(harmless)) {
  test(`harmless everywhere: ${title}`, async t => {
    for (const path of paths) {
      const { status, text } = await send(path, over(path, fields))
      t.is(status, 200, `${path}: ${text.slice(0, 300)}`)
    }
    t.is(({} as { stream?: unknown }).stream, undefined)
  })
}

const oddTexts: Readonly<Record<string, string>> = {
  'the character NUL': 'a\u0000b',
  'halves of surrogate pairs': '\ud800a\udfff\ud800',
  'special tokens': '<|begin|><|end|><|user|><|assistant|>',
  'a mark of templates': '{{ 1 // 0 }}{% for %}{# #}',
  'the character U+FFFF and marks without a letter': `\uffff${'\u0301'.repeat(50)}`,
}

for (const [title, text] of Object.entries(oddTexts)) {
  test(`a text with ${title} is a text`, async t => {
    for (const [path, fields] of Object.entries(textIn)) {
      const { status, text: reply } = await send(path, JSON.stringify({ ...taken[path], ...fields(text) }))
      t.is(status, 200, `${path}: ${reply.slice(0, 300)}`)
    }
  })
}

test('texts of megabytes are refused before they are tokenized, with the field', async t => {
  const text = 'hello world '.repeat(800_000)
  for (const [path, fields] of Object.entries(textIn)) {
    const { status, body } = await send(path, JSON.stringify({ ...taken[path], ...fields(text) }))
    t.is(status, 400, path)
    t.regex(body.error.message, /characters/, path)
    t.false(path.startsWith('/v1/messages') === 'param' in body.error, path)
    if ('param' in body.error) t.true(body.error.param in { ...taken[path] }, `${path}: ${body.error.param}`)
  }
})

/** Fields of sampling, for those endpoints that have them; what they are refused with names them as they were sent. */
const sampling: readonly (readonly [title: string, fields: string, param: string, says?: RegExp])[] = [
  ['an endless seed', '"seed":1e400', 'seed', /Infinity/],
  ['an endless temperature', '"temperature":1e999', 'temperature', /Infinity/],
  ['a temperature below all', '"temperature":-1e400', 'temperature', /-Infinity/],
  ['a huge max_tokens', '"max_tokens":9007199254740992', 'max_tokens'],
  ['an endless max_tokens', '"max_tokens":1e400', 'max_tokens'],
  ['a negative max_tokens', '"max_tokens":-1', 'max_tokens'],
  ['a negative n', '"n":-1', 'n'],
  ['a huge n', '"n":9007199254740993', 'n'],
  ['a huge best_of', '"best_of":1e15', 'best_of'],
  ['a huge top_k', '"top_k":1e300', 'top_k'],
  ['a huge min_tokens', '"min_tokens":4294967296', 'min_tokens'],
  ['too many stops', `"stop":[${'"a",'.repeat(2_000)}"b"]`, 'stop', /at most 1024 entries/],
  ['stops that are too long', `"stop":[${`"${'a'.repeat(9_000)}",`.repeat(9)}"b"]`, 'stop', /65536 characters/],
  ['bad words that are too long', `"bad_words":[${`"${'a'.repeat(9_000)}",`.repeat(9)}"b"]`, 'bad_words', /in all/],
  ['too many biases', `"logit_bias":{${biases(300_000)}}`, 'logit_bias', /at most 262144 ids/],
  ['a bias that is none', '"logit_bias":{"__proto__":1}', 'logit_bias', /__proto__/],
  ['a bias of no number', '"logit_bias":{"5":"a"}', 'logit_bias.5'],
  ['an endless bias', '"logit_bias":{"5":1e400}', 'logit_bias'],
  ['ids beyond the vocabulary', '"allowed_token_ids":[2000000000]', 'allowed_token_ids', /^allowed_token_ids/],
  ['a penalty that is a list', '"presence_penalty":[[[[1]]]]', 'presence_penalty'],
  ['a minimum above the maximum', '"max_tokens":1,"min_tokens":2', 'min_tokens', /max_tokens=1/],
  ['too many logprobs of the prompt', '"prompt_logprobs":2000000', 'prompt_logprobs', /max_logprobs/],
  ['a schema that refers to itself', '"structured_outputs":{"json":{"$ref":"#"}}', 'structured_outputs'],
  ['a schema of no type', '"structured_outputs":{"json":{"type":"banana"}}', 'structured_outputs'],
  ['a regular expression that is none', '"structured_outputs":{"regex":"("}', 'structured_outputs'],
  [
    'a regular expression of a megabyte',
    `"structured_outputs":{"regex":"${'a'.repeat(1 << 20)}"}`,
    'structured_outputs',
  ],
  ['a grammar that is none', '"structured_outputs":{"grammar":"root ::= ("}', 'structured_outputs'],
]

function biases(count: number): string {
  return Array.from({ length: count }, (_, index) => `"${index}":1`).join(',')
}

for (const [title, fields, param, says = /./] of sampling) {
  test(`refused with the field: ${title}`, async t => {
    for (const path of ['/v1/completions', '/v1/chat/completions']) {
      const body = over(path, fields)
      const { status, body: reply } = await send(path, body)
      t.is(status, 400, `${path}: ${JSON.stringify(reply).slice(0, 300)}`)
      t.is(reply.error.type, 'BadRequestError')
      t.is(reply.error.param, param, `${path}: ${reply.error.message}`)
      t.regex(reply.error.message, says)
      t.notRegex(reply.error.message, /\b[a-z]+[A-Z][a-z]/, 'a name that is not the wire’s')
    }
  })
}

const chats: readonly (readonly [title: string, fields: string, param: string | null])[] = [
  [
    'an image',
    '"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]',
    'messages[0].content[0]',
  ],
  [
    'sound',
    '"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]',
    'messages[0].content[0]',
  ],
  ['a role of the prototype', '"messages":[{"__proto__":{"role":"user"},"content":"x"}]', 'messages[0].role'],
  ['no messages', '"messages":[]', 'messages'],
  ['too many messages', `"messages":[${'{"role":"user","content":"x"},'.repeat(20_000)}{"role":"user"}]`, 'messages'],
  ['a tool whose schema refers to itself', `"tools":[${tool('f', '{"$ref":"#"}')}],"tool_choice":"required"`, 'tools'],
  ['tools that are too many to enforce', `"tools":[${manyTools(4096)}],"tool_choice":"required"`, 'tools'],
  ['more tools than any', `"tools":[${manyTools(4097)}]`, 'tools'],
]

function tool(name: string, parameters: string): string {
  return `{"type":"function","function":{"name":"${name}","parameters":${parameters}}}`
}

function manyTools(count: number): string {
  const parameters = '{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}}}'
  return Array.from({ length: count }, (_, index) => tool(`f${index}`, parameters)).join(',')
}

for (const [title, fields, param] of chats) {
  test(`refused of a chat: ${title}`, async t => {
    const { status, body } = await send('/v1/chat/completions', over('/v1/chat/completions', fields))
    t.is(status, 400, JSON.stringify(body).slice(0, 300))
    t.is(body.error.param, param, body.error.message)
  })
}

test('a tool may have the name of what every object has', async t => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const fields = `"tools":[${tool(name, '{"type":"object","properties":{}}')}],"tool_choice":"required","max_tokens":40`
    const { status, text } = await send('/v1/chat/completions', over('/v1/chat/completions', fields))
    t.is(status, 200, text.slice(0, 300))
  }
})

test('many prompts are as many answers, or refused', async t => {
  const empty = await send('/v1/completions', JSON.stringify({ prompt: Array.from({ length: 100_000 }, () => '') }))
  t.is(empty.status, 400)
  t.is(empty.body.error.param, 'prompt')
  t.regex(empty.body.error.message, /100000 prompts/)
  const inputs = await send('/v1/embeddings', JSON.stringify({ input: Array.from({ length: 100_000 }, () => '') }))
  t.is(inputs.status, 400)
  t.is(inputs.body.error.param, 'input')
  const ids = await send(
    '/v1/completions',
    JSON.stringify({
      prompt: [
        [1, 2],
        [3, -1],
      ],
    }),
  )
  t.is(ids.body.error.param, 'prompt[1][1]')
  const beyond = await send('/v1/completions', JSON.stringify({ prompt: [1, 99_999] }))
  t.is(beyond.status, 400)
  t.is(beyond.body.error.param, 'prompt')
})

test('of a name that comes twice, the last counts', async t => {
  const { status, body } = await send('/v1/completions', '{"prompt":7,"max_tokens":1,"prompt":"hi","max_tokens":2}')
  t.is(status, 200)
  t.is(body.usage.completion_tokens, 2)
})

test('short requests are answered while a long text is tokenized', async t => {
  const text = 'once upon a time, there was a dog. '.repeat(110_000)
  let isDone = false
  const long = send('/tokenize', JSON.stringify({ prompt: text })).then(reply => {
    isDone = true
    return reply
  })
  let numAnswered = 0
  while (!isDone && numAnswered < 5) {
    const { status } = await send('/v1/completions', JSON.stringify({ prompt: 'hi', max_tokens: 1 }))
    t.is(status, 200)
    if (!isDone) numAnswered += 1
  }
  t.is(numAnswered, 5)
  const { status, body } = await long
  t.is(status, 200)
  t.is(body.count, body.tokens.length)
  const there = await send('/detokenize', JSON.stringify({ tokens: body.tokens.slice(-40_000) }))
  t.true(text.endsWith(there.body.prompt))
})

test('a prompt whose beginning is dropped is the end of it, however long it is', async t => {
  const end = 'there was a little dog called Max.'
  const fields = { truncate_prompt_tokens: 6, max_tokens: 1 }
  const ids = async (prompt: string) => {
    const { body } = await send('/v1/completions/render', JSON.stringify({ prompt, ...fields }))
    return body[0].token_ids
  }
  t.deepEqual(await ids(`${'once upon a time '.repeat(400_000)}${end}`), await ids(`once upon a time ${end}`))
})
