// Tool choices: the schema that the answer must follow, and the parser that reads it.

import { Ajv2020 } from 'ajv/dist/2020.js'
import test from 'ava'
import { planToolUse, type ToolDefinition, toolParserNamed } from '../../ts/src/server/tools/index.js'
import { cutsOf, eventsOf, seededRandom } from './event-text.js'

const tree: ToolDefinition = {
  name: 'plant',
  parameters: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://example.org/plant',
    type: 'object',
    properties: {
      tree: { $ref: '#/$defs/Tree' },
      note: { const: { $ref: '#/kept' } },
      $ref: { type: 'string' },
      default: { $ref: '#/$defs/Tree' },
      near: { $ref: '#leaf' },
    },
    required: ['tree'],
    additionalProperties: false,
    $defs: {
      Leaf: { $anchor: 'leaf', type: 'boolean' },
      Tree: { type: 'object', properties: { leaves: { type: 'array', items: { $ref: '#/$defs/Tree' } } } },
    },
  },
}
const weather: ToolDefinition = {
  name: 'get_weather',
  parameters: { properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
}
const now: ToolDefinition = { name: 'now' }
const tools = [tree, weather, now]
const hermes = toolParserNamed('hermes')

const validator = (schema: unknown) => new Ajv2020({ strict: false }).compile(schema as object)

test('required: the schema takes lists of calls with their own arguments, and nothing else', t => {
  const valid = validator(planToolUse({ tools, toolChoice: 'required' }).schema)
  const call = (name: string, parameters: unknown) => ({ name, parameters })
  t.true(valid([call('now', {})]))
  t.true(valid([call('get_weather', { city: 'x' }), call('now', {})]))
  t.true(valid([call('plant', { tree: { leaves: [{ leaves: [] }] }, $ref: 'x', note: { $ref: '#/kept' } })]))
  for (const wrong of [
    [],
    {},
    [call('other', {})],
    [call('now', { a: 1 })],
    [call('get_weather', {})],
    [call('get_weather', [])],
    [{ name: 'now' }],
    [call('plant', { tree: { leaves: [3] } })],
    [call('plant', { tree: {}, default: 3 })],
    [call('plant', { tree: {}, near: 3 })],
  ]) {
    t.false(valid(wrong), JSON.stringify(wrong))
  }
})

test('required without parallel calls: one call', t => {
  const valid = validator(planToolUse({ tools, toolChoice: 'required', parallelToolCalls: false }).schema)
  t.true(valid([{ name: 'now', parameters: {} }]))
  t.false(
    valid([
      { name: 'now', parameters: {} },
      { name: 'now', parameters: {} },
    ]),
  )
})

test('a name: the schema is that of the arguments, which are an object', t => {
  const valid = validator(planToolUse({ tools, toolChoice: { name: 'get_weather' } }).schema)
  t.true(valid({ city: 'x' }))
  t.false(valid('x'))
  t.false(valid({}))
  t.false(validator(planToolUse({ tools, toolChoice: { name: 'now' } }).schema)({ a: 1 }))
})

test('required: calls are told while they come', t => {
  const text = '[{"name": "get_weather", "parameters": {"city": "]}"}},\n {"name": "now", "parameters": {}}]'
  const plan = planToolUse({ tools, toolChoice: 'required', format: hermes })
  t.false(plan.keepsSpecialTokens)
  for (const pieces of cutsOf(text, seededRandom(4))) {
    const events = eventsOf(plan.createParser() as never, pieces)
    t.deepEqual(
      events.map(event => (event.kind === 'call' ? event.name : event.kind === 'arguments' ? event.text : event)),
      ['get_weather', '{"city": "]}"}', 'now', '{}'],
    )
  }
  const parser = plan.createParser()
  t.deepEqual(
    parser?.push('[{"name": "get_weather", "parameters": {"ci').map(({ kind }) => kind),
    ['call', 'arguments'],
  )
  t.deepEqual(parser?.push('ty"'), [{ kind: 'arguments', index: 0, text: 'ty"' }])
})

test('required: what is no list of calls is content', t => {
  const parser = planToolUse({ tools, toolChoice: 'required' }).createParser()
  t.deepEqual(eventsOf(parser as never, ['I ', 'will not.']), [{ kind: 'content', text: 'I will not.' }])
})

test('a name: the text is the arguments', t => {
  const plan = planToolUse({ tools, toolChoice: { name: 'now' } })
  for (const pieces of cutsOf(' {"a": {"b": "}"}}\n', seededRandom(5))) {
    const [call, args, ...rest] = eventsOf(plan.createParser() as never, pieces)
    t.like(call, { kind: 'call', index: 0, name: 'now' })
    t.deepEqual(args, { kind: 'arguments', index: 0, text: '{"a": {"b": "}"}}' })
    t.deepEqual(rest, [])
  }
})

test('auto reads in the format of the model; none and no tools read nothing', t => {
  const auto = planToolUse({ tools, toolChoice: 'auto', format: hermes })
  t.true(auto.keepsSpecialTokens)
  t.is(auto.schema, undefined)
  t.is(eventsOf(auto.createParser() as never, ['<tool_call>{"name": "now"}</tool_call>'])[0]?.kind, 'call')
  t.is(planToolUse({ tools, toolChoice: 'none', format: hermes }).createParser(), undefined)
  t.is(planToolUse({ tools: [], toolChoice: 'auto', format: hermes }).createParser(), undefined)
  t.is(planToolUse({ tools, toolChoice: 'auto' }).createParser(), undefined)
})

test('choices that no tool satisfies are refused', t => {
  t.throws(() => planToolUse({ tools, toolChoice: { name: 'other' } }), {
    code: 'ERR_INVALID_ARGUMENT',
    message: /now/,
  })
  t.throws(() => planToolUse({ tools: [], toolChoice: 'required' }), { code: 'ERR_INVALID_ARGUMENT' })
})

test('ids: as vLLM makes them, for Mistral nine letters and digits', t => {
  const idOf = (name: string, text: string) => {
    const [event] = eventsOf(toolParserNamed(name).createParser({ tools }), [text])
    return event?.kind === 'call' ? event.id : undefined
  }
  t.regex(idOf('hermes', '<tool_call>{"name": "now"}</tool_call>') ?? '', /^chatcmpl-tool-[0-9a-f]{32}$/)
  t.regex(idOf('mistral', '[TOOL_CALLS]now[ARGS]{}') ?? '', /^[A-Za-z0-9]{9}$/)
  const required = planToolUse({ tools, toolChoice: 'required', format: toolParserNamed('mistral') }).createParser()
  const [event] = eventsOf(required as never, ['[{"name": "now", "parameters": {}}]'])
  t.regex(event?.kind === 'call' ? event.id : '', /^[A-Za-z0-9]{9}$/)
})
