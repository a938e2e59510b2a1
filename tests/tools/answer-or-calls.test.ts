// A format of the answer beside tools that the model may call: it does either, in the words of its template, and nothing else.

import { Ajv2020 } from 'ajv/dist/2020.js'
import test from 'ava'
import { Engine } from 'quire-llm'
import { Chat } from 'quire-llm/server'
import { CALL_WRITERS, type WrittenCall } from './call-writers.js'
import { QWEN_TEMPLATE, ScriptedModel } from './scripted-model.js'

const messages = [{ role: 'user', content: 'Hi' }] as const
const tools = [
  { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  { name: 'now' },
]
const calls: readonly WrittenCall[] = [
  { name: 'get_weather', arguments: { city: 'Paris' } },
  { name: 'now', arguments: {} },
]
const answerSchema = {
  type: 'object',
  properties: { mood: { enum: ['good', 'bad'] } },
  required: ['mood'],
  additionalProperties: false,
}
const answer = '{"mood":"good"}'

/** What of a template shows the format, how calls are written, and how many of them there can be. */
const rows: readonly (readonly [format: string, writer: string, taught: string, most?: number])[] = [
  ['apertus', 'list', '<|tools_prefix|>'],
  ['cohere', 'list', '<|START_ACTION|>'],
  ['deepseek_v3', 'v3', 'tool▁call▁begin ```json'],
  ['deepseek_v3', 'v31', 'tool▁call▁begin'],
  ['gigachat3', 'one', '<|message_sep|><|function_call|>', 1],
  ['glm45', 'lines', '<arg_key>'],
  ['granite', 'list', '<|tool_call|><|start_of_role|>'],
  ['granite-20b-fc', 'objects', '<function_call>'],
  ['hermes', 'elements', '<tool_call>'],
  ['internlm', 'action', '<|action_start|>'],
  ['jamba', 'list', '<tool_calls>['],
  ['kimi_k2', 'section', 'tool_calls_section_begin'],
  ['llama3_json', 'bare', '{"name": function name, "parameters"'],
  ['mistral', 'list', '[TOOL_CALLS]'],
  ['mistral', 'named', '[TOOL_CALLS][ARGS]'],
  ['nemotron_json', 'list', '<TOOLCALL>'],
  ['phi4_mini_json', 'functools', 'functools['],
  ['phi4_mini_json', 'element', '<|tool_call|><|/tool_call|>'],
  ['pythonic', 'bare', 'python list of the calls'],
  ['pythonic', 'llama 4', 'python list for function calls <|python_start|>'],
  ['pythonic', 'lfm', '<|tool_list_start|><|tool_call_start|>'],
  ['qwen3_coder', 'qwen', '<tool_call><function='],
  ['qwen3_coder', 'seed', '<seed:tool_call><function='],
  ['qwen3_coder', 'functionary', '<function='],
]

for (const [format, writer, taught, most = calls.length] of rows) {
  test(`${format}, ${writer}: calls, or an answer in the format`, async t => {
    const model = await ScriptedModel.create(`{# ${taught} #}{{ messages[0].content }}`)
    const chat = new Chat(model.engine)
    const written = (CALL_WRITERS[format]?.[writer]?.(calls.slice(0, most)) ?? '').replace(/<\|message_sep\|>$/, '')
    await model.say(written, answer, written, 'fine')
    for (const [structuredOutputs, text] of [
      [{ json: answerSchema }, answer],
      [{ choice: ['fine', 'bad'] }, 'fine'],
    ] as const) {
      const sampling = { structuredOutputs, temperature: 0, maxTokens: 400 }
      const input = { messages, tools, sampling }
      const [called] = (await chat.complete(input)).choices
      t.deepEqual(
        called?.toolCalls.map(call => ({ name: call.name, arguments: JSON.parse(call.arguments) as unknown })),
        calls.slice(0, most),
        JSON.stringify(called),
      )
      t.is(called?.finish.reason, 'toolCalls')
      const [answered] = (await chat.complete(input)).choices
      t.is(answered?.content, text)
      t.deepEqual(answered?.toolCalls, [])
    }
    await model.engine.close()
  })
}

test('every kind of constraint leaves room for calls', async t => {
  const model = await ScriptedModel.create()
  const chat = new Chat(model.engine)
  const written = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
  const tag = { begin: '<a>', schema: { type: 'integer' }, end: '</a>' }
  const kinds = [
    [{ jsonObject: true as const }, '{"a":[1]}'],
    [{ json: JSON.stringify(answerSchema) }, answer],
    [{ regex: '\\d{3}-[ab]+' }, '555-aba'],
    [{ grammar: 'root ::= "x" root | "y"' }, 'xxy'],
    [{ structuralTag: { type: 'structural_tag', format: { type: 'const_string', value: 'fine' } } }, 'fine'],
    [{ structuralTag: { type: 'structural_tag', triggers: ['<a>'], structures: [tag] } }, 'so <a>12</a>'],
  ] as const
  for (const [structuredOutputs, text] of kinds) {
    await model.say(written, text)
    const input = { messages, tools, sampling: { structuredOutputs, temperature: 0, maxTokens: 100 } }
    t.is((await chat.complete(input)).choices[0]?.toolCalls[0]?.name, 'now', text)
    t.is((await chat.complete(input)).choices[0]?.content, text)
    await model.say(text)
    t.is((await chat.complete({ ...input, toolChoice: 'none' })).choices[0]?.content, text)
  }
  const wrong = { messages, tools, sampling: { structuredOutputs: { json: '{' } } }
  await t.throwsAsync(chat.complete(wrong), { code: 'ERR_GRAMMAR_INVALID' })
  await model.engine.close()
})

test('whatever the model would say, it is one of both; arguments of strict tools fit', async t => {
  const engine = await Engine.create({ threads: 1, chatTemplate: QWEN_TEMPLATE })
  const chat = new Chat(engine)
  const parameters = {
    type: 'object',
    properties: { age: { type: 'integer', minimum: 0, maximum: 99 } },
    required: ['age'],
    additionalProperties: false,
  }
  const [isAnswer, areArguments] = [answerSchema, parameters].map(schema => new Ajv2020().compile(schema))
  const strict = [{ name: 'plant', parameters, strict: true }]
  const sampling = { n: 24, seed: 3, temperature: 1.5, maxTokens: 160, structuredOutputs: { json: answerSchema } }
  const { choices } = await chat.complete({ messages, tools: strict, parallelToolCalls: false, sampling })
  for (const { finish, content, toolCalls } of choices) {
    if (finish.reason === 'length') continue
    if (toolCalls.length === 0) t.true(isAnswer?.(JSON.parse(content ?? '')), String(content))
    else t.true(areArguments?.(JSON.parse(toolCalls[0]?.arguments ?? '')), JSON.stringify(toolCalls))
    t.true(toolCalls.length <= 1)
  }
  t.true(choices.some(({ finish }) => finish.reason !== 'length'))
  await engine.close()
})

test('a model that wants nothing but space ends an enforced call all the same', async t => {
  const engine = await Engine.create({ threads: 1 })
  const chat = new Chat(engine)
  const ids = await engine.encode(['\n', ' ', '\n\n', '  ', '\t'], false)
  const logitBias = Object.fromEntries(ids.flatMap(each => [...each]).map(id => [id, 100]))
  const input = { messages, tools: [{ name: 'now' }], parallelToolCalls: false }
  for (const toolChoice of ['required', { name: 'now' }] as const) {
    const [choice] = (await chat.complete({ ...input, toolChoice, sampling: { logitBias, maxTokens: 400 } })).choices
    t.is(choice?.finish.reason, 'toolCalls', JSON.stringify(choice))
    t.deepEqual(JSON.parse(choice?.toolCalls[0]?.arguments ?? ''), {})
  }
  await engine.close()
})
