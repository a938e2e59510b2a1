// Budgets of reasoning: so many tokens of it and no more, then the mark that ends it, in every endpoint. The bundled model never
// closes what the parser `deepseek_r1` takes for open from the first token on.

import test from 'ava'
import { ReasoningCount } from '../../ts/src/engine/reasoning-budget.js'
import { Chat } from '../../ts/src/server/index.js'
import { allFree, listen, TestHandler } from './test-server.js'

const server = await TestHandler.create({ modelNames: ['tiny'], reasoningParser: 'deepseek_r1' })
test.after(() => server.engine.close())

const CHAT = '/v1/chat/completions'
const COMPLETIONS = '/v1/completions'
const messages = [{ role: 'user', content: 'Tell me a story.' }]
const [line, closed] = await server.engine.encode(['\n', '\n</think>'], false)
const mark = [...(closed ?? [])].slice(line?.length)
const draw = { max_tokens: 24, ignore_eos: true, return_token_ids: true, seed: 5 }

/** Where the mark begins in the ids. */
function markAt(ids: readonly number[]): number {
  return ids.findIndex((_, start) => mark.every((id, index) => ids[start + index] === id))
}

for (const budget of [0, 1, 5]) {
  test(`a chat reasons for ${budget} tokens and answers then, whole and streamed`, async t => {
    const plain = await server.post(CHAT, { messages, ...draw, thinking_token_budget: -1 })
    t.is(plain.body.choices[0].message.content, '')
    const body = { messages, ...draw, n: 3, thinking_token_budget: budget }
    const reply = await server.post(CHAT, body)
    t.is(reply.status, 200, JSON.stringify(reply.body))
    t.is(reply.body.choices.length, 3)
    for (const { token_ids: ids, message } of reply.body.choices) {
      t.is(markAt(ids), budget)
      t.is(ids.length, draw.max_tokens)
      t.truthy(message.content)
      t.is(message.reasoning ?? '', server.engine.decode(ids.slice(0, budget)).trim())
    }
    // What is drawn before the end of the budget is what would be drawn without.
    t.deepEqual(reply.body.choices[0].token_ids.slice(0, budget), plain.body.choices[0].token_ids.slice(0, budget))
    const events = (await server.stream(CHAT, body)).slice(0, -1)
    for (const { index, token_ids: ids, message } of reply.body.choices) {
      const deltas = events.flatMap(({ choices }) => choices).filter(choice => choice.index === index)
      t.deepEqual(
        deltas.flatMap(choice => choice.token_ids ?? []),
        ids,
      )
      t.is(deltas.map(({ delta }) => delta.reasoning ?? '').join(''), message.reasoning ?? '')
      t.is(deltas.map(({ delta }) => delta.content ?? '').join(''), message.content)
    }
    t.true(await allFree(server.engine))
  })
}

test('completions, responses, messages and chats of this process have budgets too', async t => {
  const { body: completion } = await server.post(COMPLETIONS, {
    prompt: ['Once', [5, 6, 7]],
    ...draw,
    thinking_token_budget: 3,
  })
  t.deepEqual(
    completion.choices.map(({ token_ids: ids }: { token_ids: number[] }) => markAt(ids)),
    [3, 3],
  )
  const { body: response } = await server.post('/v1/responses', {
    input: 'Hello',
    max_output_tokens: 24,
    ignore_eos: true,
    thinking_token_budget: 3,
  })
  t.deepEqual(
    response.output.map(({ type }: { type: string }) => type),
    ['reasoning', 'message'],
  )
  const { body: message } = await server.post('/v1/messages', {
    messages,
    max_tokens: 24,
    temperature: 0,
    thinking: { type: 'enabled', budget_tokens: 3 },
  })
  t.is(message.content[0].type, 'thinking', JSON.stringify(message))
  t.is((await server.engine.encode([message.content[0].thinking], false))[0]?.length, 3)
  const chat = new Chat(server.engine, { reasoningParser: 'deepseek_r1' })
  const input = { messages: [{ role: 'user', content: 'Hi' }] as const, sampling: { maxTokens: 24, ignoreEos: true } }
  const { choices } = await chat.complete({ ...input, thinkingTokenBudget: 3 })
  t.is(markAt(choices[0]?.tokenIds ?? []), 3)
  await t.throwsAsync(chat.complete({ ...input, thinkingTokenBudget: -2 }), { code: 'ERR_INVALID_ARGUMENT' })
  await t.throwsAsync(
    new Chat(server.engine, { reasoningParser: 'none' }).complete({ ...input, thinkingTokenBudget: 3 }),
    {
      code: 'ERR_INVALID_ARGUMENT',
      message: /needs a reasoning parser/,
    },
  )
})

test('the budget crosses to a loop in a thread of its own', async t => {
  const listening = await listen({ reasoningParser: 'deepseek_r1' })
  t.teardown(() => listening.close())
  const reply = await fetch(`${listening.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages, ...draw, n: 2, thinking_token_budget: 4 }),
  })
  const { choices } = (await reply.json()) as { choices: { token_ids: number[] }[] }
  t.deepEqual(
    choices.map(({ token_ids: ids }) => markAt(ids)),
    [4, 4],
  )
})

test('what cannot be is refused by name; what has no reasoning keeps its budget', async t => {
  const rows: readonly [object, RegExp][] = [
    [{ thinking_token_budget: -2 }, /thinking_token_budget/],
    [{ thinking_token_budget: 1.5 }, /thinking_token_budget/],
    [{ thinking_token_budget: '5' }, /thinking_token_budget/],
    [{ thinking_token_budget: 2 ** 31 }, /thinking_token_budget/],
    [{ thinking_token_budget: 5, allowed_token_ids: [9] }, /is none of allowed_token_ids/],
    [{ thinking_token_budget: 0, use_beam_search: true }, /beam search/],
  ]
  for (const [path, rest] of [
    [CHAT, { messages }],
    [COMPLETIONS, { prompt: 'Once' }],
  ] as const) {
    for (const [body, says] of rows) {
      const { status, body: reply } = await server.post(path, { ...rest, max_tokens: 4, ...body })
      t.is(status, 400, JSON.stringify(body))
      t.is(reply.error.param, 'thinking_token_budget')
      t.regex(reply.error.message, says)
    }
    const beams = { thinking_token_budget: -1, use_beam_search: true, max_tokens: 2 }
    t.is((await server.post(path, { ...rest, ...beams })).status, 200)
    const rendered = await server.post(`${path}/render`, { ...rest, thinking_token_budget: 7 })
    t.is([rendered.body].flat()[0].sampling_params.thinking_token_budget, 7)
  }
  const choice = { structured_outputs: { choice: ['yes'] }, thinking_token_budget: 5 }
  t.is((await server.post(CHAT, { messages, ...choice })).body.choices[0].message.content, 'yes')
})

test('a budget of a server without a parser: refused by name, but in messages', async t => {
  const plain = await TestHandler.create({ reasoningParser: 'none' })
  t.teardown(() => plain.engine.close())
  for (const [path, rest] of [
    [CHAT, { messages }],
    [COMPLETIONS, { prompt: 'Once' }],
    ['/v1/responses', { input: 'Once' }],
  ] as const) {
    const { status, body } = await plain.post(path, { ...rest, thinking_token_budget: 3 })
    t.is(status, 400)
    t.is(body.error.param, 'thinking_token_budget')
    t.regex(body.error.message, /^thinking_token_budget needs a reasoning parser.*--reasoning-parser/)
  }
  const thinking = { type: 'enabled', budget_tokens: 1024 }
  t.is((await plain.post('/v1/messages', { messages, max_tokens: 2, thinking })).status, 200)
})

test('the count: marks of several ids, begun marks, an end of its own', t => {
  const budget = { tokens: 3, isOpen: false, opening: [[7, 8], [70]], closing: [[1, 2, 3], [10]] }
  /** What is forced after each of the ids. */
  const forced = (ids: readonly number[], change: object = {}) => {
    const count = new ReasoningCount({ ...budget, ...change })
    return [
      count.forcedId,
      ...ids.map(id => {
        count.append(Int32Array.of(id))
        return count.forcedId
      }),
    ]
  }
  const none = undefined
  t.deepEqual(forced([5, 7, 8, 5, 5, 5, 1, 2, 3, 5]), [none, none, none, none, none, none, 1, 2, 3, none, none])
  // A mark that is begun is gone on with.
  t.deepEqual(forced([70, 5, 1, 2, 3]), [none, none, none, none, 3, none])
  t.deepEqual(forced([70, 5, 5, 1, 2, 3]), [none, none, none, none, 2, 3, none])
  // The model ends by itself, in either spelling; what it opens again is no reasoning.
  t.deepEqual(forced([70, 1, 2, 3, 70, 5, 5, 5, 5]), Array(10).fill(none))
  t.deepEqual(forced([70, 5, 10, 5, 5, 5]), Array(7).fill(none))
  t.deepEqual(forced([1, 2, 3], { isOpen: true, tokens: 0 }), [1, 2, 3, none])
  t.deepEqual(forced([7, 8, 1], { tokens: 0 }), [none, none, 1, 2])
})
