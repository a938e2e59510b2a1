// What completions and chats refuse, and with which field: one row a rule. And what they accept, null for every field above all.

import test from 'ava'
import {
  chatCompletionRequestSchema,
  parseChatCompletionRequest,
} from '../../ts/src/server/protocol/chat-completion-request.js'
import { completionRequestSchema, parseCompletionRequest } from '../../ts/src/server/protocol/completion-request.js'
import { TestHandler } from './test-server.js'

const server = await TestHandler.create({ modelNames: ['tiny', 'alias'], maxChoices: 8, maxCompletionPrompts: 4 })
test.after(() => server.engine.close())

const COMPLETIONS = '/v1/completions'
const CHAT = '/v1/chat/completions'
const messages = [{ role: 'user', content: 'Hello' }]
const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }

interface Row {
  readonly body: object
  readonly param: string | null
  readonly status?: number
  readonly code?: string
  readonly says?: RegExp
}

const both: Readonly<Record<string, Row>> = {
  'n is 0': { body: { n: 0 }, param: 'n' },
  'n is a text': { body: { n: '2' }, param: 'n' },
  'n is half': { body: { n: 1.5 }, param: 'n' },
  'n is above the limit': { body: { n: 9 }, param: 'n' },
  'n is above any limit': { body: { n: 16_385 }, param: 'n' },
  'n is above 1 in greedy sampling': { body: { n: 2, temperature: 0 }, param: 'n', says: /greedy/ },
  'best_of is below n': { body: { n: 3, best_of: 2 }, param: 'best_of' },
  'best_of is above the limit': { body: { best_of: 9 }, param: 'best_of' },
  'best_of is streamed': { body: { best_of: 2, stream: true }, param: 'best_of' },
  'best_of with beams': { body: { best_of: 2, use_beam_search: true }, param: 'best_of' },
  'temperature is below 0': { body: { temperature: -0.1 }, param: 'temperature' },
  'temperature is above 2': { body: { temperature: 2.1 }, param: 'temperature' },
  'temperature is a text': { body: { temperature: 'hot' }, param: 'temperature' },
  'top_p is 0': { body: { top_p: 0 }, param: 'top_p' },
  'top_p is above 1': { body: { top_p: 1.1 }, param: 'top_p' },
  'top_k is below -1': { body: { top_k: -2 }, param: 'top_k' },
  'top_k is half': { body: { top_k: 1.5 }, param: 'top_k' },
  'min_p is above 1': { body: { min_p: 1.1 }, param: 'min_p' },
  'presence_penalty is above 2': { body: { presence_penalty: 2.1 }, param: 'presence_penalty' },
  'frequency_penalty is below -2': { body: { frequency_penalty: -2.1 }, param: 'frequency_penalty' },
  'repetition_penalty is 0': { body: { repetition_penalty: 0 }, param: 'repetition_penalty' },
  'seed is half': { body: { seed: 0.5 }, param: 'seed' },
  'seed is beyond 64 bits': { body: { seed: 2 ** 64 }, param: 'seed' },
  'seed is the greatest of 64 bits': { body: { seed: 2 ** 63 - 1, max_tokens: 1 }, param: null, status: 200 },
  'stop is empty': { body: { stop: '' }, param: 'stop' },
  'stop has an empty text': { body: { stop: ['a', ''] }, param: 'stop' },
  'stop is a number': { body: { stop: 3 }, param: 'stop' },
  'stop_token_ids has an id that is none': { body: { stop_token_ids: [99_999_999] }, param: 'stop_token_ids' },
  'stop_token_ids has a text': { body: { stop_token_ids: ['a'] }, param: 'stop_token_ids[0]' },
  'max_tokens is negative': { body: { max_tokens: -1 }, param: 'max_tokens' },
  'max_tokens is more than fits': { body: { max_tokens: 100_000 }, param: null, code: 'context_length_exceeded' },
  'min_tokens is above max_tokens': { body: { max_tokens: 3, min_tokens: 4 }, param: 'min_tokens' },
  'min_tokens is negative': { body: { min_tokens: -1 }, param: 'min_tokens' },
  'logit_bias has no id': { body: { logit_bias: { a: 1 } }, param: 'logit_bias' },
  'logit_bias has an id that is none': { body: { logit_bias: { 99999999: 1 } }, param: 'logit_bias' },
  'logit_bias is a list': { body: { logit_bias: [1] }, param: 'logit_bias' },
  'allowed_token_ids is empty': { body: { allowed_token_ids: [] }, param: 'allowed_token_ids' },
  'allowed_token_ids has an id that is none': { body: { allowed_token_ids: [99_999_999] }, param: 'allowed_token_ids' },
  'bad_words has an empty text': { body: { bad_words: [''] }, param: 'bad_words[0]' },
  'prompt_logprobs is below -1': { body: { prompt_logprobs: -2 }, param: 'prompt_logprobs' },
  'prompt_logprobs is above the limit': { body: { prompt_logprobs: 21 }, param: 'prompt_logprobs' },
  'prompt_logprobs is streamed': { body: { prompt_logprobs: 1, stream: true }, param: 'prompt_logprobs' },
  'logprob_token_ids is empty': { body: { logprob_token_ids: [] }, param: 'logprob_token_ids' },
  'logprob_token_ids without logprobs': { body: { logprob_token_ids: [1] }, param: 'logprob_token_ids' },
  'logprob_token_ids with beams': {
    body: { logprob_token_ids: [1], use_beam_search: true },
    param: 'logprob_token_ids',
  },
  'stream_options without stream': { body: { stream_options: { include_usage: true } }, param: 'stream_options' },
  'repetition_detection of one time': {
    body: { repetition_detection: { max_pattern_size: 3, min_count: 1 } },
    param: 'repetition_detection.min_count',
  },
  'repetition_detection of no pattern': {
    body: { repetition_detection: { max_pattern_size: 3, min_pattern_size: 4, min_count: 2 } },
    param: 'repetition_detection.min_pattern_size',
  },
  'return_token_offsets is a text': { body: { return_token_offsets: 'yes' }, param: 'return_token_offsets' },
  'stream_interval is 0': { body: { stream: true, stream_interval: 0 }, param: 'stream_interval' },
  'beams are streamed': { body: { use_beam_search: true, stream: true }, param: 'stream' },
  'beams are constrained': {
    body: { use_beam_search: true, structured_outputs: { choice: ['a'] } },
    param: 'use_beam_search',
  },
  ...Object.fromEntries(
    Object.entries({
      stop: ['x'],
      stop_token_ids: [9],
      min_tokens: 2,
      logit_bias: { 9: 1 },
      allowed_token_ids: [9],
      bad_words: ['x'],
      presence_penalty: 1,
      frequency_penalty: 1,
      repetition_penalty: 1.5,
      repetition_detection: { max_pattern_size: 3, min_count: 2 },
      vllm_xargs: { ban: [9] },
    }).map(([param, value]) => [`beams with ${param}`, { body: { use_beam_search: true, [param]: value }, param }]),
  ),
  'beams with what asks for nothing': {
    body: { use_beam_search: true, max_tokens: 2, stop: [], min_tokens: 0, presence_penalty: 0, repetition_penalty: 1 },
    param: null,
    status: 200,
  },
  'more beams than logprobs': { body: { use_beam_search: true, n: 8, max_tokens: 2 }, param: null, status: 200 },
  'truncate_prompt_tokens is below -1': { body: { truncate_prompt_tokens: -2 }, param: 'truncate_prompt_tokens' },
  'truncate_prompt_tokens leaves nothing': { body: { truncate_prompt_tokens: 0 }, param: null, says: /empty/ },
  'truncation_side is neither': {
    body: { truncate_prompt_tokens: 1, truncation_side: 'up' },
    param: 'truncation_side',
  },
  'cache_salt is empty': { body: { cache_salt: '' }, param: 'cache_salt' },
  'priority without its policy': { body: { priority: 1 }, param: 'priority' },
  'priority is a text': { body: { priority: 'high' }, param: 'priority' },
  thinking_token_budget: { body: { thinking_token_budget: 10 }, param: 'thinking_token_budget' },
  'two kinds of structured outputs': {
    body: { structured_outputs: { regex: 'a', choice: ['a'] } },
    param: 'structured_outputs',
  },
  'no kind of structured outputs': { body: { structured_outputs: {} }, param: 'structured_outputs' },
  'json_object is false': {
    body: { structured_outputs: { json_object: false } },
    param: 'structured_outputs.json_object',
  },
  'a regex with a reference': {
    body: { structured_outputs: { regex: '(a)\\1' } },
    param: null,
    says: /reference/,
  },
  'a grammar without its root': { body: { structured_outputs: { grammar: 'x ::= "a"' } }, param: null, says: /root/ },
  'a schema that refers to itself': {
    body: { structured_outputs: { json: { $ref: '#' } } },
    param: null,
    says: /itself/,
  },
  'a grammar that the ids allowed cannot follow': {
    body: { structured_outputs: { choice: ['yes'] }, allowed_token_ids: [5] },
    param: null,
  },
  'choice is empty': { body: { structured_outputs: { choice: [] } }, param: 'structured_outputs.choice' },
  'regex is a number': { body: { structured_outputs: { regex: 3 } }, param: 'structured_outputs.regex' },
  'response_format is unknown': { body: { response_format: { type: 'xml' } }, param: 'response_format.type' },
  'response_format has no schema': { body: { response_format: { type: 'json_schema' } }, param: 'response_format' },
  'two constraints': {
    body: { response_format: { type: 'json_object' }, structured_outputs: { regex: 'a' } },
    param: 'structured_outputs',
  },
  'model is unknown': { body: { model: 'gpt-4' }, param: 'model', status: 404, code: 'model_not_found' },
  'model is a number': { body: { model: 4 }, param: 'model' },
}

const completions: Readonly<Record<string, Row>> = {
  'no prompt': { body: { prompt: null }, param: 'prompt' },
  'prompt is a number': { body: { prompt: 5 }, param: 'prompt', says: /a string, a list of token ids/ },
  'prompt is an empty list': { body: { prompt: [] }, param: 'prompt' },
  'prompt has an id that is none': { body: { prompt: [1, 99_999_999] }, param: null, says: /99999999/ },
  'prompt has a negative id': { body: { prompt: [-1] }, param: 'prompt[0]' },
  'prompt is mixed': { body: { prompt: [1, 'a'] }, param: 'prompt[1]' },
  'too many prompts': { body: { prompt: ['a', 'b', 'c', 'd', 'e'] }, param: 'prompt' },
  'prompt is longer than the model': {
    body: { prompt: Array.from({ length: 600 }, () => 5) },
    param: 'prompt',
    code: 'context_length_exceeded',
  },
  'prompt is as long as the model': {
    body: { prompt: Array.from({ length: 512 }, () => 5), max_tokens: 1 },
    param: 'prompt',
    code: 'context_length_exceeded',
  },
  prompt_embeds: { body: { prompt_embeds: 'AAAA' }, param: 'prompt_embeds' },
  // An answer that passes over what comes behind it is no answer.
  suffix: { body: { suffix: 'end' }, param: 'suffix' },
  'max_tokens is 0 without echo': { body: { max_tokens: 0 }, param: 'max_tokens' },
  'logprobs is negative': { body: { logprobs: -1 }, param: 'logprobs' },
  'logprobs is above the limit': { body: { logprobs: 21 }, param: 'logprobs' },
  'logprobs is a boolean': { body: { logprobs: true }, param: 'logprobs' },
}

const chats: Readonly<Record<string, Row>> = {
  'no messages': { body: { messages: undefined }, param: 'messages', says: /missing/ },
  'messages are empty': { body: { messages: [] }, param: 'messages' },
  'messages are a text': { body: { messages: 'Hello' }, param: 'messages' },
  'a message without a role': { body: { messages: [{ content: 'a' }] }, param: 'messages[0].role' },
  'content is a number': { body: { messages: [{ role: 'user', content: 5 }] }, param: 'messages[0].content' },
  'an image': {
    body: { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:,' } }] }] },
    param: 'messages[0].content[0]',
    says: /text only/,
  },
  audio: {
    body: {
      messages: [...messages, { role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'input_audio' }] }],
    },
    param: 'messages[1].content[1]',
  },
  'max_tokens is 0': { body: { max_tokens: 0 }, param: 'max_tokens' },
  'max_completion_tokens is 0': { body: { max_completion_tokens: 0 }, param: 'max_completion_tokens' },
  'top_logprobs without logprobs': { body: { top_logprobs: 2 }, param: 'top_logprobs' },
  'top_logprobs is below -1': { body: { logprobs: true, top_logprobs: -2 }, param: 'top_logprobs' },
  'top_logprobs is a text': { body: { logprobs: true, top_logprobs: '2' }, param: 'top_logprobs' },
  'top_logprobs is above the limit': {
    body: { logprobs: true, top_logprobs: 21 },
    param: 'top_logprobs',
    says: /^top_logprobs asks for 21, .* max_logprobs allows\. \(parameter=top_logprobs, value=21\)$/,
  },
  'max_tokens is more than fits, by its own name': {
    body: { max_tokens: 100_000 },
    param: 'max_tokens',
    code: 'context_length_exceeded',
  },
  'max_completion_tokens is more than fits': {
    body: { max_completion_tokens: 100_000 },
    param: 'max_completion_tokens',
    code: 'context_length_exceeded',
  },
  'logprobs is a number': { body: { logprobs: 3 }, param: 'logprobs' },
  'tools are empty': { body: { tools: [] }, param: 'tools' },
  'a tool of another type': { body: { tools: [{ type: 'web_search' }] }, param: 'tools[0].type' },
  'a tool without a name': { body: { tools: [{ type: 'function', function: {} }] }, param: 'tools[0].function.name' },
  'tool_choice without tools': { body: { tool_choice: 'auto' }, param: 'tool_choice' },
  'tool_choice required without tools': { body: { tool_choice: 'required' }, param: 'tool_choice' },
  'tool_choice is unknown': { body: { tools: [tool], tool_choice: 'maybe' }, param: 'tool_choice' },
  'tool_choice names no tool': {
    body: { tools: [tool], tool_choice: { type: 'function', function: { name: 'g' } } },
    param: 'tool_choice',
  },
  'structured outputs with tools': {
    body: { tools: [tool], structured_outputs: { regex: 'a' } },
    param: 'structured_outputs',
  },
  'a message is continued and begun': {
    body: { add_generation_prompt: true, continue_final_message: true },
    param: 'continue_final_message',
  },
  'a template of the request': { body: { chat_template: 'x' }, param: 'chat_template' },
  'a mask of the assistant': {
    body: { return_assistant_tokens_mask: true },
    param: 'return_assistant_tokens_mask',
    says: /not supported/,
  },
  'no mask of the assistant': { body: { return_assistant_tokens_mask: false }, param: null, status: 200 },
  'reasoning_effort is unknown': { body: { reasoning_effort: 'huge' }, param: 'reasoning_effort' },
}

function rows(path: string, valid: object, table: Readonly<Record<string, Row>>): void {
  for (const [title, { body, param, status = 400, code, says }] of Object.entries(table)) {
    test(`${path}: ${title}`, async t => {
      const answer = await server.post(path, { ...valid, ...body })
      t.is(answer.status, status, JSON.stringify(answer.body))
      if (status === 200) return
      const { error } = answer.body
      t.deepEqual(Object.keys(error).toSorted(), ['code', 'message', 'param', 'type'])
      t.is(error.type, status === 404 ? 'NotFoundError' : 'BadRequestError')
      t.is(error.code, code ?? status)
      if (param !== null) t.is(error.param, param)
      if (says !== undefined) t.regex(error.message, says)
      t.true(error.message.length > 10 && !error.message.includes('undefined'), error.message)
    })
  }
}

rows(COMPLETIONS, { prompt: 'Hello' }, { ...both, ...completions })
rows(CHAT, { messages, max_tokens: 4 }, { ...both, ...chats })

test('bodies of many wrong values are refused at the first of them', t => {
  const many = (value: unknown): unknown[] => {
    const values = Array.from({ length: 500 }, () => value)
    Object.defineProperty(values, 499, { get: () => t.fail('all of them are looked at') })
    return values
  }
  for (const [parse, body] of [
    [parseCompletionRequest, { prompt: many(0.5) }],
    [parseCompletionRequest, { prompt: many([[]]) }],
    [parseCompletionRequest, { prompt: 'a', stop: many(1) }],
    [parseCompletionRequest, { prompt: 'a', allowed_token_ids: many('a') }],
    [parseCompletionRequest, { prompt: 'a', bad_words: many('') }],
    [parseChatCompletionRequest, { messages: many(1) }],
    [parseChatCompletionRequest, { messages: [{ role: 'user', content: many(1) }] }],
    [parseChatCompletionRequest, { messages, tools: many(1) }],
  ] as const) {
    t.throws(() => parse(body), { name: 'RequestError' })
  }
})

for (const [path, schema, required] of [
  [COMPLETIONS, completionRequestSchema, { prompt: 'Hello', max_tokens: 2 }],
  [CHAT, chatCompletionRequestSchema, { messages, max_tokens: 2 }],
] as const) {
  test(`${path}: null means the default, for every field`, async t => {
    const nulls = Object.fromEntries(Object.keys(schema.shape).map(name => [name, null]))
    t.true(Object.keys(nulls).length > 50)
    const { status, body } = await server.post(path, { ...nulls, ...required })
    t.is(status, 200, JSON.stringify(body))
    t.is(body.choices.length, 1)
    t.is(body.usage.completion_tokens, 2)
  })

  test(`${path}: fields that nobody knows are ignored`, async t => {
    const { status } = await server.post(path, { ...required, guided: true, nested: { deep: [1] } })
    t.is(status, 200)
  })

  test(`${path}: fields that mean nothing here are accepted`, async t => {
    const { status, body } = await server.post(path, {
      ...required,
      user: 'somebody',
      session_id: 's',
      kv_transfer_params: { a: 1 },
      vllm_xargs: { a: 1 },
      thinking_token_budget: -1,
      priority: 0,
      suffix: '',
      metadata: { a: 'b' },
    })
    t.is(status, 200, JSON.stringify(body))
  })

  test(`${path}: an alias is a name of the model`, async t => {
    const { body } = await server.post(path, { ...required, model: 'alias' })
    t.is(body.model, 'tiny')
  })

  test.serial(`${path}: what is refused leaves nothing behind`, async t => {
    await Promise.all([
      server.post(path, { ...required, top_p: 0 }),
      server.post(path, { ...required, logit_bias: { 99999999: 1 } }),
      server.post(path, { ...required, max_tokens: 100_000 }),
    ])
    t.is(server.engine.numRequests, 0)
  })
}

test('texts that cannot fit are refused by their characters, and tokenized where they are cut', async t => {
  const text = 'once upon a time '.repeat(200_000)
  const tooMany = /contains \d+ characters \(more than/
  for (const [path, body, param] of [
    [COMPLETIONS, { prompt: text }, 'prompt'],
    [COMPLETIONS, { prompt: ['short', text] }, 'prompt'],
    [CHAT, { messages: [{ role: 'user', content: text }] }, 'messages'],
  ] as const) {
    const { status, body: reply } = await server.post(path, { ...body, max_tokens: 1 })
    t.is(status, 400)
    t.like(reply.error, { param, code: 'context_length_exceeded' })
    t.regex(reply.error.message, tooMany)
  }
  const cut = { prompt: 'once upon a time '.repeat(5_000), truncate_prompt_tokens: 4, max_tokens: 1 }
  t.is((await server.post(COMPLETIONS, cut)).body.usage.prompt_tokens, 4)
})
