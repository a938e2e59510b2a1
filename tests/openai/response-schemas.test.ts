// Replies and events against the schemas that /openapi.json gives of them, by a validator that is not ours.

import Ajv2020 from 'ajv/dist/2020.js'
import test from 'ava'
import { type ZodType, z } from 'zod'
import { chatCompletionsRoute } from '../../ts/src/server/chat/chat-completions-route.js'
import { completionsRoute } from '../../ts/src/server/completions/completions-route.js'
import { renderChatRoute, renderCompletionRoute } from '../../ts/src/server/tokenize/render-routes.js'
import { detokenizeRoute, tokenizeRoute } from '../../ts/src/server/tokenize/tokenize-routes.js'
import { eventsOf, routeRequest, scripted } from './scripted-context.js'
import { TestHandler } from './test-server.js'

const server = await TestHandler.create({ promptTokensDetails: true })
test.after(() => server.engine.close())

const messages = [{ role: 'user', content: 'Hello' }]
const tools = [{ type: 'function', function: { name: 'time' } }]

function violations(schema: ZodType | undefined, value: unknown): string {
  if (schema === undefined) return 'there is no schema'
  const ajv = new Ajv2020.default({ strict: false })
  const validate = ajv.compile(z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' }))
  return validate(value) ? '' : ajv.errorsText(validate.errors)
}

for (const [route, bodies] of [
  [
    completionsRoute,
    [
      { prompt: 'Hello' },
      { prompt: ['Hello', 'Once'], n: 2, logprobs: 2, max_tokens: 3 },
      { prompt: 'Hello', echo: true, logprobs: 1, return_token_ids: true, max_tokens: 3 },
      { prompt: 'Hello', prompt_logprobs: 1, stop_token_ids: [70], logit_bias: { 70: 100 } },
      { prompt: 'Hello', stop: [' '], return_tokens_as_token_ids: true, logprobs: 0 },
      { prompt: 'Hello', use_beam_search: true, n: 2, max_tokens: 3, logprobs: 1 },
    ],
  ],
  [
    chatCompletionsRoute,
    [
      { messages, max_tokens: 3 },
      {
        messages,
        max_tokens: 3,
        n: 2,
        logprobs: true,
        top_logprobs: 2,
        return_token_ids: true,
        return_prompt_text: true,
      },
      { messages, max_tokens: 3, prompt_logprobs: 1, stop: ['!'] },
      { messages, max_tokens: 3, use_beam_search: true, n: 2 },
    ],
  ],
  [tokenizeRoute, [{ prompt: 'Hello' }, { messages, return_token_strs: true }]],
  [detokenizeRoute, [{ tokens: [70, 71] }]],
  [renderCompletionRoute, [{ prompt: ['Hello', 'Once'], seed: 5, logit_bias: { 70: 1 } }]],
  [renderChatRoute, [{ messages, structured_outputs: { regex: 'a' } }]],
] as const) {
  for (const [index, body] of bodies.entries()) {
    test(`${route.path}: reply ${index}`, async t => {
      const { status, body: reply } = await server.post(route.path, body)
      t.is(status, 200, JSON.stringify(reply))
      t.is(violations(route.description.response, reply), '')
    })
    if (route.description.event === undefined || 'use_beam_search' in body || 'prompt_logprobs' in body) continue
    test(`${route.path}: events ${index}`, async t => {
      for (const options of [{}, { stream_options: { include_usage: true, continuous_usage_stats: true } }]) {
        const events = await server.stream(route.path, { ...body, ...options })
        for (const event of events.slice(0, -1))
          t.is(violations(route.description.event, event), '', JSON.stringify(event))
      }
    })
  }
}

test('calls and reasoning', async t => {
  const script = {
    options: { toolCallParser: 'hermes', reasoningParser: 'deepseek_r1' },
    says: ['<think>Hm.</think>Now.<tool_call>{"name": "time", "arguments": {"a": [1]}}</tool_call>'],
  }
  const { context } = scripted(script)
  const reply = await chatCompletionsRoute.handle(routeRequest({ messages, tools }), context)
  t.is(violations(chatCompletionsRoute.description.response, reply.kind === 'json' ? reply.body : undefined), '')
  const streamed = await chatCompletionsRoute.handle(routeRequest({ messages, tools, stream: true }), context)
  const events = eventsOf(streamed)
  t.true(events.some(event => event.choices?.[0]?.delta.tool_calls !== undefined))
  for (const event of events.slice(0, -1)) t.is(violations(chatCompletionsRoute.description.event, event), '')
})
