// /v1/responses over a scripted model: reasoning, text and calls in one answer, whatever pieces it comes in, against the
// schemas of /openapi.json; failures in the midst of a stream.

import Ajv2020 from 'ajv/dist/2020.js'
import test from 'ava'
import { type ZodType, z } from 'zod'
import { EngineClosedError } from '../../ts/src/errors.js'
import { ResponseStore } from '../../ts/src/server/responses/response-store.js'
import { responsesRoute } from '../../ts/src/server/responses/responses-route.js'
import type { Reply } from '../../ts/src/server/route.js'
import { HERMES_TEMPLATE, routeRequest, type Script, scripted } from './scripted-context.js'

const tools = [
  {
    type: 'function',
    name: 'time',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
    strict: true,
  },
  { type: 'function', name: 'date' },
]
const body = { input: 'Hello', tools }

function contextOf(script: Script) {
  const { context, submitted } = scripted({
    template: HERMES_TEMPLATE,
    ...script,
    options: {
      reasoningParser: script.says[0]?.includes('<think>') ? 'deepseek_r1' : 'none',
      toolCallParser: 'hermes',
    },
  })
  const responses = new ResponseStore({ maxResponses: 10, maxBytes: 1 << 20 })
  return { context: { ...context, responses }, submitted }
}

const ajv = new Ajv2020.default({ strict: false })

function violations(schema: ZodType | undefined, value: unknown): string {
  const validate = ajv.compile(z.toJSONSchema(schema as ZodType, { io: 'output', unrepresentable: 'any' }))
  return validate(value) ? '' : ajv.errorsText(validate.errors)
}

// biome-ignore lint/suspicious/noExplicitAny: events of any type, which tests look into
function eventsOf(reply: Reply): any[] {
  if (reply.kind !== 'events') throw new Error('The reply is no stream.')
  let text = ''
  reply.events.start({
    send: frame => {
      text += frame
      return true
    },
    onDrain: () => {},
    end: () => {},
  })
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string))
}

// biome-ignore lint/suspicious/noExplicitAny: a body that tests look into
async function whole(script: Script, asked: object = body): Promise<any> {
  const reply = await responsesRoute.handle(routeRequest(asked), contextOf(script).context)
  return reply.kind === 'json' ? reply.body : undefined
}

const call = '<tool_call>{"name": "time", "arguments": {"city": "Rome"}}</tool_call>'
const other = '<tool_call>{"name": "date", "arguments": {}}</tool_call>'
const answers: readonly [string, string, readonly string[]][] = [
  ['text', 'Now.', ['message']],
  ['nothing', '', ['message']],
  ['reasoning', '<think>Hm.</think>Now.', ['reasoning', 'message']],
  ['a call', call, ['function_call']],
  ['text and a call', `Now.${call}`, ['message', 'function_call']],
  ['two calls', call + other, ['function_call', 'function_call']],
  ['all of it', `<think>Hm.</think>Now.${call}${other}`, ['reasoning', 'message', 'function_call', 'function_call']],
]

for (const [title, text, types] of answers) {
  test(`an answer with ${title}: whole, and in pieces of any size`, async t => {
    const says = [text]
    const reply = await whole({ says })
    t.is(violations(responsesRoute.description.response, reply), '')
    t.deepEqual(
      reply.output.map(({ type }: { type: string }) => type),
      types,
    )
    t.is(reply.status, 'completed')
    for (const cut of [1, 2, 3, 7, 1000]) {
      const { context } = contextOf({ says, cut })
      const events = eventsOf(await responsesRoute.handle(routeRequest({ ...body, stream: true }), context))
      for (const event of events) t.is(violations(responsesRoute.description.event, event), '', JSON.stringify(event))
      const last = events.at(-1)
      t.is(last.type, 'response.completed')
      t.deepEqual(withoutIds(last.response.output), withoutIds(reply.output))
      t.deepEqual(followed(events), last.response.output, `pieces of ${cut}`)
      t.deepEqual(context.responses.get(last.response.id)?.body, last.response)
    }
  })
}

test('an answer that was cut off is incomplete, and so is its last item', async t => {
  const says = ['<think>Hm.</think>Now.']
  const reply = await whole({ says, finishReason: 'length' })
  t.is(reply.status, 'incomplete')
  t.deepEqual(
    reply.output.map(({ status }: { status: string }) => status),
    ['completed', 'incomplete'],
  )
})

test('tools that are not allowed are not offered', async t => {
  const allowed = { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'date' }] }
  const { context, submitted } = contextOf({ says: ['[{"name": "date", "parameters": {}}]'] })
  await responsesRoute.handle(routeRequest({ ...body, tool_choice: allowed }), context)
  const schema = JSON.stringify(submitted[0]?.params.structuredOutputs)
  t.regex(schema, /date/)
  t.notRegex(schema, /time/)
})

for (const [title, format, expected] of [
  ['json_schema', { type: 'json_schema', name: 'a', schema: { type: 'object' } }, { json: '{"type":"object"}' }],
  ['json_object', { type: 'json_object' }, { jsonObject: true }],
  ['text', { type: 'text' }, undefined],
] as const) {
  test(`text.format ${title} reaches the engine`, async t => {
    const { context, submitted } = contextOf({ says: ['{}'] })
    await responsesRoute.handle(routeRequest({ input: 'x', text: { format } }), context)
    if (expected === undefined) t.is(submitted[0]?.params.structuredOutputs, undefined)
    else t.like(submitted[0]?.params.structuredOutputs, expected)
  })
}

test('sampling reaches the engine', async t => {
  const { context, submitted } = contextOf({ says: ['x'] })
  const asked = {
    input: 'x',
    temperature: 0.5,
    top_p: 0.25,
    top_k: 7,
    seed: 3,
    stop: ['.'],
    max_output_tokens: 9,
    top_logprobs: 4,
    include: ['message.output_text.logprobs'],
  }
  await responsesRoute.handle(routeRequest(asked), context)
  t.like(submitted[0]?.params, {
    temperature: 0.5,
    topP: 0.25,
    topK: 7,
    seed: 3n,
    stop: ['.'],
    maxTokens: 9,
    logprobs: 4,
  })
})

test('a model that fails in the midst of a stream', async t => {
  const { context } = contextOf({ says: ['Hello there'] })
  const failing = {
    ...context,
    submit: (...given: Parameters<typeof context.submit>) => {
      const stream = context.submit(...given)
      let takes = 0
      let over = false
      return {
        requestId: stream.requestId,
        admitted: stream.admitted,
        final: () => stream.final(),
        abort: () => stream.abort(),
        [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
        onNews: (listener: () => void) => {
          for (let count = 0; count < 3; count += 1) listener()
        },
        take: () => {
          takes += 1
          over = takes > 2
          return over ? undefined : stream.take()
        },
        get ended() {
          return over
        },
        get error() {
          return over ? new EngineClosedError() : undefined
        },
      }
    },
  }
  const events = eventsOf(await responsesRoute.handle(routeRequest({ input: 'x', stream: true }), failing))
  t.deepEqual(
    events.slice(-3).map(({ type }) => type),
    ['response.output_item.done', 'error', 'response.failed'],
  )
  t.like(events.at(-2), { code: 'server_error', message: 'The server is shutting down.', param: null })
  const { response } = events.at(-1)
  t.like(response, { status: 'failed', error: { code: 'server_error' } })
  t.is(response.output[0].status, 'incomplete')
  t.deepEqual(
    events.map(({ sequence_number: number }) => number),
    events.map((_, index) => index),
  )
  t.is(context.responses.get(response.id)?.body.status, 'failed')
})

/** The output as a reader of the events alone puts it together. */
// biome-ignore lint/suspicious/noExplicitAny: events of any type
function followed(events: readonly any[]): unknown[] {
  // biome-ignore lint/suspicious/noExplicitAny: items of any type
  const output: any[] = []
  for (const event of events) {
    const item = output[event.output_index]
    switch (event.type) {
      case 'response.output_item.added':
        if (event.output_index !== output.length) throw new Error('An item is out of order.')
        output.push(structuredClone(event.item))
        break
      case 'response.content_part.added':
        item.content.push(event.part)
        break
      case 'response.output_text.delta':
      case 'response.reasoning_text.delta':
        item.content[event.content_index].text += event.delta
        break
      case 'response.function_call_arguments.delta':
        item.arguments += event.delta
        break
      case 'response.output_item.done':
        item.status = event.item.status
        break
    }
    if (item !== undefined && event.item_id !== undefined && event.item_id !== item.id) throw new Error('A wrong item.')
  }
  return output
}

function withoutIds(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, one) => (key === 'id' || key === 'call_id' ? null : one)))
}
