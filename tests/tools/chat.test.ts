// `Chat` of `quire-llm/server`: turns without HTTP on a scripted model, and on the bundled one with its loop in a thread.

import { Ajv2020 } from 'ajv/dist/2020.js'
import test from 'ava'
import { Engine, LLM } from 'quire-llm'
import { Chat, type ChatPart } from 'quire-llm/server'
import { ScriptedModel } from './scripted-model.js'

const model = await ScriptedModel.create()
test.after(() => model.engine.close())
const chat = new Chat(model.engine)
const messages = [{ role: 'user', content: 'Hi' }] as const
const tools = [{ name: 'now', description: 'The time' }]
const answer = '<think>Hm.</think>\n\nLook: <tool_call>{"name": "now", "arguments": {}}</tool_call>'

async function partsOf(input: Parameters<Chat['start']>[0]): Promise<ChatPart[]> {
  const turn = await chat.start(input)
  const parts: ChatPart[] = []
  await new Promise<void>(resolve => {
    const take = () => {
      parts.push(...turn.take().flatMap(news => news.parts))
      if (turn.ended) resolve()
    }
    turn.onNews(take)
    take()
  })
  if (turn.error !== undefined) throw turn.error
  return parts
}

test.serial('a turn, whole and in parts, says the same', async t => {
  await model.say(answer, answer)
  const { choices, usage } = await chat.complete({ messages, tools })
  const [choice] = choices
  t.like(choice, { reasoning: 'Hm.', content: 'Look:', finish: { reason: 'toolCalls' } })
  t.like(choice?.toolCalls[0], { name: 'now', arguments: '{}' })
  t.true(usage.completionTokens > usage.reasoningTokens && usage.reasoningTokens > 0)
  const parts = await partsOf({ messages, tools })
  const textOf = (kind: string) => parts.map(part => (part.kind === kind && 'text' in part ? part.text : '')).join('')
  t.deepEqual([textOf('reasoning'), textOf('content'), textOf('arguments')], ['Hm.', 'Look:', '{}'])
})

test.serial('parsers by name; none for reasoning', async t => {
  await model.say(answer, '[TOOL_CALLS]now[ARGS]{}')
  const plain = new Chat(model.engine, { reasoningParser: 'none', toolCallParser: 'mistral' })
  t.is((await plain.complete({ messages, tools })).choices[0]?.content, answer)
  const [choice] = (await plain.complete({ messages, tools })).choices
  t.regex(choice?.toolCalls[0]?.id ?? '', /^[A-Za-z0-9]{9}$/)
  t.throws(() => new Chat(model.engine, { toolCallParser: 'nobody' }), { code: 'ERR_INVALID_ARGUMENT' })
  t.throws(() => new Chat(model.engine, { reasoningParser: 'nobody' }), { code: 'ERR_INVALID_ARGUMENT' })
})

test.serial('what cannot be is a typed error, and leaves nothing behind', async t => {
  const invalid = { code: 'ERR_INVALID_ARGUMENT' }
  await t.throwsAsync(chat.complete({ messages: [] }), invalid)
  await t.throwsAsync(chat.complete(null as never), invalid)
  await t.throwsAsync(chat.start({ messages, sampling: { topP: 3 } }), invalid)
  await t.throwsAsync(chat.start({ messages, tools, toolChoice: { name: 'other' } }), invalid)
  await t.throwsAsync(chat.start({ messages: [{ role: 'user', content: 'x '.repeat(9000) }] }), {
    code: 'ERR_PROMPT_TOO_LONG',
  })
  await t.throwsAsync(chat.start({ messages, signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
  t.is(model.engine.numRequests, 0)
})

test.serial('the bundled model, in a thread and behind an LLM', async t => {
  const sampling = { temperature: 0, maxTokens: 6 }
  const engine = await Engine.create({ threads: 1 })
  const llm = await LLM.create({ threads: 1 })
  const texts = await Promise.all(
    [engine, llm.engine].map(async each => (await new Chat(each).complete({ messages, sampling })).choices[0]?.content),
  )
  t.truthy(texts[0])
  t.is(texts[0], texts[1])
  t.is((await llm.chat(messages, sampling)).outputs[0]?.text, texts[0] ?? '')
  await engine.close()
  await llm.close()
})

test.serial('calls that are enforced fit their schemas, whatever the model would say', async t => {
  const plant = {
    name: 'plant',
    parameters: {
      type: 'object',
      properties: { tree: { $ref: '#/$defs/Tree' } },
      required: ['tree'],
      additionalProperties: false,
      $defs: {
        Tree: {
          type: 'object',
          properties: { age: { type: 'integer', minimum: 0, maximum: 99 }, twig: { $ref: '#/$defs/Tree' } },
          required: ['age'],
          additionalProperties: false,
        },
      },
    },
  }
  const valid = new Ajv2020().compile(plant.parameters)
  const engine = await Engine.create({ threads: 1 })
  const bundled = new Chat(engine)
  let finished = 0
  for (let seed = 0; seed < 6; seed += 1) {
    for (const toolChoice of ['required', { name: 'plant' }] as const) {
      const sampling = { seed, temperature: 1, maxTokens: 250 }
      const input = { messages, tools: [plant, ...tools], toolChoice, parallelToolCalls: false, sampling }
      const [choice] = (await bundled.complete(input)).choices
      if (choice?.finish.reason === 'length') continue
      finished += 1
      t.is(choice?.toolCalls.length, 1)
      for (const { name, arguments: text } of choice?.toolCalls ?? []) {
        t.true(name === 'plant' ? valid(JSON.parse(text)) : text.replace(/\s/g, '') === '{}', text)
      }
    }
  }
  t.true(finished >= 6, `${finished} of 12 finished`)
  await engine.close()
})
