// `@quire-llm/langchain`: LangChain's chat model over an engine in this process, with what LangChain asks of any: messages,
// streams, callbacks, chains, tools, structured output, usage, aborts.

import { AIMessage, type AIMessageChunk, HumanMessage, SystemMessage, type ToolMessage } from '@langchain/core/messages'
import { StringOutputParser } from '@langchain/core/output_parsers'
import { ChatPromptTemplate } from '@langchain/core/prompts'
import { tool } from '@langchain/core/tools'
import { concat } from '@langchain/core/utils/stream'
import { ChatQuire } from '@quire-llm/langchain'
import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { leftInTheMiddle } from '../openai/test-server.js'
import { ScriptedModel } from '../tools/scripted-model.js'

const scripted = await ScriptedModel.create()
test.after(() => scripted.engine.close())
const model = new ChatQuire({ engine: scripted.engine, model: 'scripted' })

const weather = tool(async ({ city }) => `clear in ${city}`, {
  name: 'weather',
  description: 'The weather of a city',
  schema: z.object({ city: z.string() }),
})
const call = (city: string) => `<tool_call>\n{"name": "weather", "arguments": {"city": "${city}"}}\n</tool_call>`

function free(t: ExecutionContext): void {
  const { numRunning, numWaiting } = scripted.engine.stats()
  t.deepEqual([numRunning, numWaiting, scripted.engine.numRequests], [0, 0, 0])
}

async function promptsOf(work: () => Promise<unknown>): Promise<string[]> {
  const seen: string[] = []
  const off = scripted.engine.observe({ ended: ({ prompt }) => void seen.push(prompt ?? '') })
  await work()
  off()
  return seen
}

async function joined(stream: AsyncIterable<AIMessageChunk>): Promise<{ message: AIMessageChunk; count: number }> {
  let message: AIMessageChunk | undefined
  let count = 0
  for await (const chunk of stream) {
    message = message === undefined ? chunk : concat(message, chunk)
    count += 1
  }
  return { message: message as AIMessageChunk, count }
}

test.serial('invoke: a message with usage and metadata', async t => {
  await scripted.say('Hello, 世界!')
  const message = await model.invoke([new SystemMessage('Be short.'), new HumanMessage('Hi')])
  t.true(AIMessage.isInstance(message))
  t.is(message.content, 'Hello, 世界!')
  t.is(message.response_metadata.finish_reason, 'stop')
  t.is(message.response_metadata.model_name, 'scripted')
  const { input_tokens: input = 0, output_tokens: output = 0, total_tokens: total } = message.usage_metadata ?? {}
  t.true(input > 0 && output > 0)
  t.is(total, input + output)
  free(t)
})

test.serial('stream: pieces add up to the message, usage once', async t => {
  await scripted.say('one two three four five')
  const { message, count } = await joined(await model.stream('Count'))
  t.is(message.content, 'one two three four five')
  t.true(count > 3)
  t.is(message.response_metadata.finish_reason, 'stop')
  t.true((message.usage_metadata?.output_tokens ?? 0) > 3)
  free(t)
})

test.serial('batch and a chain', async t => {
  await scripted.say('one', 'two')
  const messages = await model.batch(['a', 'b'])
  t.deepEqual(messages.map(({ content }) => content).toSorted(), ['one', 'two'])
  await scripted.say('Paris')
  const chain = ChatPromptTemplate.fromMessages([['human', 'Capital of {country}?']])
    .pipe(model)
    .pipe(new StringOutputParser())
  t.is(await chain.invoke({ country: 'France' }), 'Paris')
})

test.serial('callbacks hear tokens, and events stream', async t => {
  await scripted.say('one two three', 'one two three')
  const tokens: string[] = []
  const callbacks = [{ handleLLMNewToken: (token: string) => void tokens.push(token) }]
  await joined(await model.stream('Count', { callbacks }))
  t.is(tokens.join(''), 'one two three')
  const names = new Set<string>()
  for await (const { event } of model.streamEvents('Count', { version: 'v2' })) names.add(event)
  t.true(names.has('on_chat_model_start') && names.has('on_chat_model_stream') && names.has('on_chat_model_end'))
})

test.serial('tools: calls, their results, and the answer', async t => {
  await scripted.say(`Looking.\n${call('Paris')}\n${call('Rome')}`, 'Clear in both.')
  const bound = model.bindTools([weather])
  const prompts = await promptsOf(async () => {
    const question = new HumanMessage('Weather?')
    const answer = await bound.invoke([question])
    t.is(answer.content, 'Looking.')
    t.deepEqual(
      answer.tool_calls?.map(({ name, args }) => [name, args]),
      [
        ['weather', { city: 'Paris' }],
        ['weather', { city: 'Rome' }],
      ],
    )
    t.is(answer.response_metadata.finish_reason, 'tool_calls')
    const results = await Promise.all((answer.tool_calls ?? []).map(one => weather.invoke(one) as Promise<ToolMessage>))
    const last = await bound.invoke([question, answer, ...results])
    t.is(last.content, 'Clear in both.')
  })
  t.regex(prompts[0] ?? '', /"name": ?"weather".*The weather of a city.*"city"/s)
  t.regex(prompts[1] ?? '', /"city": ?"Paris".*clear in Paris \(chatcmpl-tool-\w+, weather\).*clear in Rome/s)
})

test.serial('tools: calls stream in pieces', async t => {
  await scripted.say(`${call('a long name of a city')}\n${call('Rome')}`)
  const pieces: number[] = []
  const stream = await model.bindTools([weather]).stream('Weather?')
  let message: AIMessageChunk | undefined
  for await (const chunk of stream) {
    pieces.push(chunk.tool_call_chunks?.length ?? 0)
    message = message === undefined ? chunk : concat(message, chunk)
  }
  t.true(pieces.filter(count => count > 0).length > 4)
  t.deepEqual(
    message?.tool_calls?.map(({ args }) => args),
    [{ city: 'a long name of a city' }, { city: 'Rome' }],
  )
  t.is(message?.response_metadata.finish_reason, 'tool_calls')
})

test.serial('tools: required, named, only one, and arguments that are no JSON', async t => {
  await scripted.say('[{"name": "weather", "parameters": {"city": "Paris"}}]', '{"city": "Rome"}')
  const required = await model.bindTools([weather], { tool_choice: 'any' }).invoke('x')
  t.deepEqual(required.tool_calls?.[0]?.args, { city: 'Paris' })
  const named = await model.bindTools([weather], { tool_choice: 'weather' }).invoke('x')
  t.deepEqual(named.tool_calls?.[0]?.args, { city: 'Rome' })
  await scripted.say(call('Paris') + call('Rome'), '<tool_call>{"name": "weather", "arguments": {oops}}</tool_call>')
  const one = await model.bindTools([weather], { parallel_tool_calls: false }).invoke('x')
  t.is(one.tool_calls?.length, 1)
  const broken = await model.bindTools([weather]).invoke('x')
  t.deepEqual(broken.tool_calls, [])
  t.like(broken.invalid_tool_calls?.[0], { name: 'weather', args: '{oops}' })
})

test.serial('structured output: by schema, by a call, with the raw message', async t => {
  const schema = z.object({ city: z.string(), days: z.number() })
  const text = '{"city": "Paris", "days": 3}'
  const constraints: unknown[] = []
  const off = scripted.engine.observe({
    ended: (_, { structuredOutputs }) => void constraints.push(structuredOutputs?.json ?? structuredOutputs),
  })
  await scripted.say(text, text, text, text, text)
  const bySchema: { city: string; days: number } = await model.withStructuredOutput(schema).invoke('Which?')
  t.deepEqual(bySchema, { city: 'Paris', days: 3 })
  t.deepEqual(await model.withStructuredOutput(schema, { method: 'functionCalling' }).invoke('Which?'), bySchema)
  t.deepEqual(await model.withStructuredOutput(z.toJSONSchema(schema)).invoke('Which?'), bySchema)
  const raw = await model.withStructuredOutput(schema, { includeRaw: true }).invoke('Which?')
  t.deepEqual(raw.parsed, bySchema)
  t.is(raw.raw.content, text)
  t.deepEqual(await model.withStructuredOutput(schema, { method: 'jsonMode' }).invoke('Which?'), bySchema)
  off()
  t.deepEqual(
    constraints.map(one => (typeof one === 'string' ? JSON.parse(one).required : one)),
    [...Array(4).fill(['city', 'days']), { jsonObject: true }],
  )
})

test.serial('reasoning is told from content, and given back to the template', async t => {
  await scripted.say('<think>\nHm.\n</think>\n\nYes.', '<think>\nHm.\n</think>\n\nYes.', 'Sure.')
  const whole = await model.invoke('Well?')
  t.deepEqual([whole.content, whole.additional_kwargs.reasoning_content], ['Yes.', 'Hm.'])
  const { message } = await joined(await model.stream('Well?'))
  t.deepEqual([message.content, message.additional_kwargs.reasoning_content], ['Yes.', 'Hm.'])
  const [prompt = ''] = await promptsOf(() => model.invoke([new HumanMessage('Well?'), whole, new HumanMessage('?')]))
  t.regex(prompt, /<think>Hm\.<\/think>Yes\./)
})

test.serial('limits, stops and samplings reach the engine', async t => {
  await scripted.say('one two three four', 'one two three four', 'one two three four')
  const short = new ChatQuire({ engine: scripted.engine, sampling: { maxTokens: 2 } })
  const cut = await short.invoke('Count')
  t.is(cut.response_metadata.finish_reason, 'length')
  t.is(cut.usage_metadata?.output_tokens, 2)
  t.is((await model.invoke('Count', { stop: [' three'] })).content, 'one two')
  t.is((await short.invoke('Count', { sampling: { maxTokens: 1 } })).usage_metadata?.output_tokens, 1)
})

test.serial('breaking a stream and aborting free the request', async t => {
  const long = 'one two three '.repeat(200)
  await scripted.say(long)
  let count = 0
  for await (const _ of await model.stream('Count')) {
    count += 1
    if (count === 3) break
  }
  t.is(count, 3)
  free(t)
  await scripted.say(long)
  await t.throwsAsync(leftInTheMiddle(scripted.engine, signal => model.invoke('Count', { signal })))
  free(t)
})

test.serial('what cannot be read or run is an error', async t => {
  const image = new HumanMessage({ content: [{ type: 'image_url', image_url: { url: 'data:,' } }] })
  await t.throwsAsync(model.invoke([image]), { code: 'ERR_INVALID_ARGUMENT', message: /text only/ } as never)
  await t.throwsAsync(model.invoke('x', { sampling: { temperature: 9 } }), { code: 'ERR_INVALID_ARGUMENT' } as never)
  await t.throwsAsync(model.invoke('x '.repeat(6000)), { code: 'ERR_PROMPT_TOO_LONG' } as never)
  t.throws(() => new ChatQuire({ engine: scripted.engine, toolCallParser: 'nobody' }), { message: /hermes/ })
  free(t)
})
