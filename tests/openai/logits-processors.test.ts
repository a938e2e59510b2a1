// Logits processors over HTTP: `logits_processors` names those that the operator registered, `vllm_xargs` has their arguments.

import { fileURLToPath } from 'node:url'
import test from 'ava'
import { allFree, TestHandler } from './test-server.js'

const path = (name: string) => fileURLToPath(new URL(`../fixtures/logits-processors/${name}`, import.meta.url))
const logitsProcessors = { ban: path('ban.mjs'), fail: path('fail-at.mjs') }
const server = await TestHandler.create({ modelNames: ['tiny'] }, { logitsProcessors })
test.after(() => server.engine.close())

const COMPLETIONS = '/v1/completions'
const CHAT = '/v1/chat/completions'
const RESPONSES = '/v1/responses'
const prompt = 'Once upon a time'
const draw = { temperature: 0, max_tokens: 12, return_token_ids: true }

test('completions: the ids that are banned do not come, and the defaults of vLLM are taken', async t => {
  const ids = async (more: object): Promise<readonly number[]> => {
    const { status, body } = await server.post(COMPLETIONS, { prompt, ...draw, ...more })
    t.is(status, 200, JSON.stringify(body))
    return body.choices[0].token_ids
  }
  const plain = await ids({})
  const ban = plain.slice(0, 3)
  const named = await ids({ logits_processors: ['ban'], vllm_xargs: { ban } })
  t.false(named.some(id => ban.includes(id)))
  // Arguments without names are for all.
  t.deepEqual(await ids({ vllm_xargs: { ban } }), named)
  t.deepEqual(await ids({ logits_processors: [], vllm_xargs: { ban } }), plain)
})

test('chats and responses have them too', async t => {
  const messages = [{ role: 'user', content: prompt }]
  const { body: plain } = await server.post(CHAT, { messages, ...draw })
  const ban = plain.choices[0].token_ids
  const { body } = await server.post(CHAT, { messages, ...draw, vllm_xargs: { ban } })
  t.false(body.choices[0].token_ids.some((id: number) => ban.includes(id)))
  const { status } = await server.post(RESPONSES, { input: prompt, max_output_tokens: 4, vllm_xargs: { ban } })
  t.is(status, 200)
  const refused = await server.post(RESPONSES, { input: prompt, logits_processors: ['nobody'] })
  t.is(refused.status, 400)
})

const refused: Readonly<Record<string, { body: object; param: string; says: RegExp }>> = {
  'a name that nobody registered': {
    body: { logits_processors: ['x'] },
    param: 'logits_processors',
    says: /has ban, fail/,
  },
  'the path of a module': {
    body: { logits_processors: [path('ban.mjs')] },
    param: 'logits_processors',
    says: /no logits processor `<path>`/,
  },
  'an object in place of a name': {
    body: { logits_processors: [{ qualname: 'os.system' }] },
    param: 'logits_processors[0]',
    says: /string/,
  },
  'a name in place of names': {
    body: { logits_processors: 'ban' },
    param: 'logits_processors',
    says: /must be a list/,
  },
  'too many names': { body: { logits_processors: Array(65).fill('ban') }, param: 'logits_processors', says: /64/ },
  'arguments that are a list': { body: { vllm_xargs: [1] }, param: 'vllm_xargs', says: /object/ },
  'arguments that the processor refuses': {
    body: { logits_processors: ['ban'], vllm_xargs: { ban: 7 } },
    param: 'vllm_xargs',
    says: /`ban` refuses them: ban must be a list/,
  },
  'beam search with processors': {
    body: { logits_processors: ['ban'], use_beam_search: true },
    param: 'logits_processors',
    says: /beam search/,
  },
}

for (const [what, { body, param, says }] of Object.entries(refused)) {
  test(`refused: ${what}`, async t => {
    for (const [endpoint, rest] of [
      [COMPLETIONS, { prompt }],
      [CHAT, { messages: [{ role: 'user', content: prompt }] }],
    ] as const) {
      const reply = await server.post(endpoint, { ...rest, ...draw, ...body })
      t.is(reply.status, 400, JSON.stringify(reply.body))
      t.is(reply.body.error.param, param)
      t.regex(reply.body.error.message, says)
    }
  })
}

test('one that throws: 500 without its words, in a stream its last event', async t => {
  const failing = { prompt, ...draw, logits_processors: ['fail'], vllm_xargs: { failAt: 4 } }
  const message = 'A logits processor of this request failed.'
  const { status, body } = await server.post(COMPLETIONS, failing)
  t.is(status, 500)
  t.is(body.error.message, message)
  const events = await server.stream(COMPLETIONS, failing)
  t.is(events.at(-1), '[DONE]')
  t.is(events.at(-2).error.message, message)
  t.true(await allFree(server.engine))
})
