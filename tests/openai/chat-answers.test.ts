// Answers taken apart: tool calls and reasoning, whole and streamed, whatever the pieces in which the model says them.

import test from 'ava'
import { chatCompletionsRoute } from '../../ts/src/server/chat/chat-completions-route.js'
import type { Reply } from '../../ts/src/server/route.js'
import type { ToolParse } from '../../ts/src/server/server-context.js'
import { eventsOf, HERMES_TEMPLATE, routeRequest, type Script, scripted } from './scripted-context.js'
import type { Answer } from './test-server.js'

type Body = Answer['body']

const messages = [{ role: 'user', content: 'Hello' }]
const weather = {
  type: 'function',
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
}
const time = { type: 'function', function: { name: 'time' } }
const tools = [weather, time]
const hermes: Partial<Script> = { options: { toolCallParser: 'hermes' } }
const thinking: Partial<Script> = { options: { reasoningParser: 'deepseek_r1', toolCallParser: 'hermes' } }

interface Expected {
  readonly content: string | null
  readonly reasoning?: string
  /** Name and arguments. */
  readonly calls?: readonly (readonly [string, object])[]
  readonly finish: string
}

const rows: Readonly<Record<string, { readonly body?: object; readonly script: Script; readonly expected: Expected }>> =
  {
    'text that is no call': {
      body: { tools },
      script: { ...hermes, says: ['Just a text < with > marks.'] },
      expected: { content: 'Just a text < with > marks.', finish: 'stop' },
    },
    'a call': {
      body: { tools },
      script: { ...hermes, says: ['<tool_call>\n{"name": "weather", "arguments": {"city": "Ulm"}}\n</tool_call>'] },
      expected: { content: null, calls: [['weather', { city: 'Ulm' }]], finish: 'tool_calls' },
    },
    'a call after a text': {
      body: { tools },
      script: { ...hermes, says: ['Let me see.\n<tool_call>{"name": "time", "arguments": {}}</tool_call>'] },
      expected: { content: 'Let me see.', calls: [['time', {}]], finish: 'tool_calls' },
    },
    'two calls': {
      body: { tools },
      script: {
        ...hermes,
        says: [
          '<tool_call>{"name": "weather", "arguments": {"city": "Bonn \\"x\\""}}</tool_call>\n<tool_call>{"name": "time", "arguments": {}}</tool_call>',
        ],
      },
      expected: {
        content: null,
        calls: [
          ['weather', { city: 'Bonn "x"' }],
          ['time', {}],
        ],
        finish: 'tool_calls',
      },
    },
    'two calls where one may be': {
      body: { tools, parallel_tool_calls: false },
      script: {
        ...hermes,
        says: [
          '<tool_call>{"name": "time", "arguments": {}}</tool_call><tool_call>{"name": "weather", "arguments": {}}</tool_call>',
        ],
      },
      expected: { content: null, calls: [['time', {}]], finish: 'tool_calls' },
    },
    'a call where none may be': {
      body: { tools, tool_choice: 'none' },
      script: { ...hermes, says: ['<tool_call>{"name": "time", "arguments": {}}</tool_call>'] },
      expected: { content: '<tool_call>{"name": "time", "arguments": {}}</tool_call>', finish: 'stop' },
    },
    'a call that the length cuts off': {
      body: { tools },
      script: { ...hermes, says: ['<tool_call>{"name": "time", "arguments": {}}</tool_call>'], finishReason: 'length' },
      expected: { content: null, calls: [['time', {}]], finish: 'length' },
    },
    'calls that must be': {
      body: { tools, tool_choice: 'required' },
      script: { says: ['[{"name": "weather", "parameters": {"city": "Ulm"}}, {"name": "time", "parameters": {}}]'] },
      expected: {
        content: null,
        calls: [
          ['weather', { city: 'Ulm' }],
          ['time', {}],
        ],
        finish: 'tool_calls',
      },
    },
    'the call that must be': {
      body: { tools, tool_choice: { type: 'function', function: { name: 'weather' } } },
      script: { says: ['{"city": "Ulm"}'] },
      expected: { content: null, calls: [['weather', { city: 'Ulm' }]], finish: 'stop' },
    },
    'reasoning and an answer': {
      script: { ...thinking, says: ['<think>\nHm, a greeting.\n</think>\n\nHello!'] },
      expected: { content: 'Hello!', reasoning: 'Hm, a greeting.', finish: 'stop' },
    },
    'reasoning and a call': {
      body: { tools },
      script: {
        ...thinking,
        says: ['<think>Hm.</think>\n<tool_call>{"name": "time", "arguments": {}}</tool_call>'],
      },
      expected: { content: null, reasoning: 'Hm.', calls: [['time', {}]], finish: 'tool_calls' },
    },
    'reasoning that is not to be told': {
      body: { include_reasoning: false },
      script: { ...thinking, says: ['<think>Hm.</think>Hello!'] },
      expected: { content: 'Hello!', finish: 'stop' },
    },
    'no reasoning where it is switched off': {
      script: { options: { reasoningParser: 'none' }, says: ['<think>Hm.</think>Hello!'] },
      expected: { content: '<think>Hm.</think>Hello!', finish: 'stop' },
    },
  }

function answer(body: object, script: Script): Promise<Reply> {
  return chatCompletionsRoute.handle(routeRequest({ messages, ...body }), scripted(script).context)
}

function jsonOf(reply: Reply): Body {
  return reply.kind === 'json' ? reply.body : undefined
}

/** What the events of a choice say, put together. */
function joined(events: readonly Body[], choice = 0) {
  let content = ''
  let reasoning = ''
  const calls: { id: string; name: string; arguments: string }[] = []
  let finish: string | null = null
  for (const { choices } of events.filter(event => event !== '[DONE]')) {
    for (const { index, delta, finish_reason: reason } of choices) {
      if (index !== choice) continue
      content += delta.content ?? ''
      reasoning += delta.reasoning ?? ''
      for (const call of delta.tool_calls ?? []) {
        if (call.id !== undefined) calls[call.index] = { id: call.id, name: call.function.name, arguments: '' }
        ;(calls[call.index] as { arguments: string }).arguments += call.function.arguments
      }
      finish = reason ?? finish
    }
  }
  return { content, reasoning, calls, finish }
}

for (const [title, { body = {}, script, expected }] of Object.entries(rows)) {
  test(`whole: ${title}`, async t => {
    const [{ message, finish_reason: finish }] = jsonOf(await answer(body, script)).choices
    t.is(message.content, expected.content)
    t.is(message.reasoning, expected.reasoning ?? null)
    t.is(message.reasoning_content, expected.reasoning)
    const calls = message.tool_calls ?? []
    t.deepEqual(
      calls.map(({ type, function: called }: Body) => [type, called.name, JSON.parse(called.arguments)]),
      (expected.calls ?? []).map(([name, given]) => ['function', name, given]),
    )
    t.is(new Set(calls.map(({ id }: Body) => id)).size, calls.length)
    t.is(finish, expected.finish)
  })

  test(`streamed: ${title}`, async t => {
    for (const cut of [1, 2, 3, 5, 8, 13, 1000]) {
      const reply = await answer({ ...body, stream: true }, { ...script, cut })
      const { content, reasoning, calls, finish } = joined(eventsOf(reply))
      t.is(content, expected.content ?? '', `${cut}`)
      t.is(reasoning, expected.reasoning ?? '', `${cut}`)
      t.deepEqual(
        calls.map(({ name, arguments: text }) => [name, JSON.parse(text)]),
        [...(expected.calls ?? [])],
        `${cut}`,
      )
      t.is(finish, expected.finish, `${cut}`)
    }
  })
}

test('choices are taken apart on their own', async t => {
  const says = ['<tool_call>{"name": "time", "arguments": {}}</tool_call>', 'No call.']
  const reply = await answer({ tools, n: 2, stream: true, temperature: 1 }, { ...hermes, says })
  const events = eventsOf(reply)
  t.is(joined(events, 0).finish, 'tool_calls')
  t.deepEqual([joined(events, 1).content, joined(events, 1).finish], ['No call.', 'stop'])
})

test('texts that are looked through for calls are counted: whole answers once, streams by their pieces', async t => {
  const says = ['<tool_call>{"name": "time", "arguments": {}}</tool_call>', 'No call.']
  const looksOf = async (body: object) => {
    const looks: string[] = []
    const { context } = scripted({ ...hermes, says, cut: 1000 })
    const onToolParse = ({ endpoint, streaming, foundCall }: ToolParse) =>
      looks.push(`${endpoint} ${streaming ? 'streaming' : 'whole'} ${foundCall}`)
    const route = { ...routeRequest({ messages, n: 2, temperature: 1, ...body }), endpoint: 'e' }
    const reply = await chatCompletionsRoute.handle(route, { ...context, onToolParse })
    if (reply.kind === 'events') eventsOf(reply)
    return looks
  }
  t.deepEqual(await looksOf({ tools }), ['e whole true', 'e whole false'])
  t.deepEqual(await looksOf({ tools, stream: true }), ['e streaming true', 'e streaming false'])
  t.deepEqual(await looksOf({}), [])
})

test('reasoning tokens are counted', async t => {
  const script = { ...thinking, says: ['<think>abcde</think>Hello!'] }
  const { usage } = jsonOf(await answer({}, script))
  t.is(usage.completion_tokens_details.reasoning_tokens, 5)
  const events = eventsOf(
    await answer({ stream: true, stream_options: { include_usage: true } }, { ...script, cut: 1 }),
  )
  const streamed = events.at(-2).usage
  t.true(streamed.completion_tokens_details.reasoning_tokens >= 5)
  t.is(streamed.completion_tokens, usage.completion_tokens)
})

test('calls that must be are held by a grammar, and so is a format', async t => {
  for (const [body, field] of [
    [{ tools, tool_choice: 'required' }, 'json'],
    [{ tools, tool_choice: { type: 'function', function: { name: 'time' } } }, 'json'],
    [{ response_format: { type: 'json_object' } }, 'jsonObject'],
    [{ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'string' } } } }, 'json'],
    [{ tools, response_format: { type: 'json_object' } }, 'structuralTag'],
    [{ tools, tool_choice: 'none', response_format: { type: 'json_object' } }, 'jsonObject'],
    [{ structured_outputs: { regex: 'a+' } }, 'regex'],
    [{ structured_outputs: { choice: ['a', 'b'] } }, 'choice'],
    [{ structured_outputs: { grammar: 'start: "a"' } }, 'grammar'],
  ] as const) {
    const { context, submitted } = scripted({ ...hermes, says: ['x'] })
    await chatCompletionsRoute.handle(routeRequest({ messages, ...body }), context)
    t.true(field in (submitted[0]?.params.structuredOutputs ?? {}), JSON.stringify(body))
  }
  for (const body of [{}, { tools }, { tools, tool_choice: 'none' }, { response_format: { type: 'text' } }]) {
    const { context, submitted } = scripted({ ...hermes, says: ['x'] })
    await chatCompletionsRoute.handle(routeRequest({ messages, ...body }), context)
    t.is(submitted[0]?.params.structuredOutputs, undefined, JSON.stringify(body))
  }
})

test('the template chooses the parser', async t => {
  const says = ['<tool_call>{"name": "time", "arguments": {}}</tool_call>']
  const known = jsonOf(await answer({ tools }, { says, template: HERMES_TEMPLATE }))
  t.is(known.choices[0].finish_reason, 'tool_calls')
  const unknown = jsonOf(await answer({ tools }, { says, template: '{{ messages }}' }))
  t.like(unknown.choices[0], { finish_reason: 'stop', message: { content: says[0] } })
})
