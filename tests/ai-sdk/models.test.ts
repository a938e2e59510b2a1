// `@quire-llm/ai-sdk` under `ai` 6 and `ai` 7: text, streams, objects, tool loops, reasoning, aborts.

import { createQuire } from '@quire-llm/ai-sdk'
import * as ai6 from 'ai'
import * as ai7 from 'ai-7'
import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { ScriptedModel } from '../tools/scripted-model.js'

const model = await ScriptedModel.create()
test.after(() => model.engine.close())

const v3 = createQuire({ engine: model.engine })
const v4 = createQuire({ engine: model.engine, specificationVersion: 'v4' })

/** The majors, each with what it takes; `ai` 7 is typed with its own names. */
const sdks = [
  ['ai 6', ai6, v3('scripted')],
  ['ai 7, v3', ai7 as unknown as typeof ai6, v3('scripted')],
  ['ai 7, v4', ai7 as unknown as typeof ai6, v4('scripted') as unknown as ai6.LanguageModel],
] as const

const weather = {
  description: 'The weather of a city',
  inputSchema: z.object({ city: z.string() }),
}
const call = (city: string) => `<tool_call>\n{"name": "weather", "arguments": {"city": "${city}"}}\n</tool_call>`

function free(t: ExecutionContext): void {
  const { numRunning, numWaiting } = model.engine.stats()
  t.deepEqual([numRunning, numWaiting, model.engine.numRequests], [0, 0, 0])
}

for (const [title, ai, languageModel] of sdks) {
  test.serial(`${title}: text, with usage and the reason of its end`, async t => {
    await model.say('Hello, 世界! <b>')
    const result = await ai.generateText({ model: languageModel, system: 'Be short.', prompt: 'Hi' })
    t.is(result.text, 'Hello, 世界! <b>')
    t.is(result.finishReason, 'stop')
    t.true((result.usage.inputTokens ?? 0) > 0)
    t.is(result.usage.totalTokens, (result.usage.inputTokens ?? 0) + (result.usage.outputTokens ?? 0))
    t.is(result.response.modelId, 'scripted')
    await model.say('one two three four five six')
    const cut = await ai.generateText({ model: languageModel, prompt: 'Hi', maxOutputTokens: 2 })
    t.is(cut.finishReason, 'length')
    t.is(cut.usage.outputTokens, 2)
    free(t)
  })

  test.serial(`${title}: a stream says the same in pieces`, async t => {
    await model.say('one two three four five')
    const result = ai.streamText({ model: languageModel, prompt: 'Count' })
    const pieces: string[] = []
    for await (const piece of result.textStream) pieces.push(piece)
    t.is(pieces.join(''), 'one two three four five')
    t.true(pieces.length > 2)
    t.is(await result.finishReason, 'stop')
    t.true(((await result.usage).outputTokens ?? 0) > 3)
    free(t)
  })

  test.serial(`${title}: reasoning is told from text`, async t => {
    const answer = '<think>\nLet me see.\n</think>\n\nYes.'
    await model.say(answer, answer)
    const whole = await ai.generateText({ model: languageModel, prompt: 'Well?' })
    t.is(whole.reasoningText, 'Let me see.')
    t.is(whole.text, 'Yes.')
    const stream = ai.streamText({ model: languageModel, prompt: 'Well?' })
    const kinds: string[] = []
    for await (const { type } of stream.fullStream) if (kinds.at(-1) !== type) kinds.push(type)
    t.deepEqual(
      kinds.filter(kind => /^(text|reasoning)-/.test(kind)),
      ['reasoning-start', 'reasoning-delta', 'reasoning-end', 'text-start', 'text-delta', 'text-end'],
    )
    t.is(await stream.reasoningText, 'Let me see.')
  })

  test.serial(`${title}: objects by a schema, whole and streamed`, async t => {
    const schema = z.object({ city: z.string(), days: z.number() })
    const seen: unknown[] = []
    const off = model.engine.observe({ ended: (_, { structuredOutputs }) => void seen.push(structuredOutputs?.json) })
    await model.say('{"city": "Paris", "days": 3}', '{"city": "Paris", "days": 3}')
    const { object } = await ai.generateObject({ model: languageModel, schema, prompt: 'Which city?' })
    t.deepEqual(object, { city: 'Paris', days: 3 })
    const streamed = ai.streamText({
      model: languageModel,
      output: ai.Output.object({ schema }),
      prompt: 'Which city?',
    })
    await streamed.consumeStream()
    t.deepEqual(await streamed.output, { city: 'Paris', days: 3 })
    off()
    for (const json of seen) t.like(JSON.parse(String(json)), { type: 'object', required: ['city', 'days'] })
    t.is(seen.length, 2)
  })

  test.serial(`${title}: a call that is required comes in the form of its grammar`, async t => {
    await model.say('[{"name": "weather", "parameters": {"city": "Paris"}}]', '{"city": "Rome"}')
    const options = { model: languageModel, prompt: 'x', tools: { weather: ai.tool(weather) } }
    const required = await ai.generateText({ ...options, toolChoice: 'required' })
    t.deepEqual(required.toolCalls[0]?.input, { city: 'Paris' })
    const named = await ai.generateText({ ...options, toolChoice: { type: 'tool', toolName: 'weather' } })
    t.deepEqual(named.toolCalls[0]?.input, { city: 'Rome' })
    t.is(named.finishReason, 'tool-calls')
  })

  test.serial(`${title}: a loop of tools, whole and streamed`, async t => {
    for (const streamed of [false, true]) {
      await model.say(`Looking.\n${call('Paris')}\n${call('Zürich "}"')}`.replace('"}"', '}'), 'Sunny in both.')
      const asked: string[] = []
      const options = {
        model: languageModel,
        prompt: 'How is the weather?',
        tools: {
          weather: ai.tool({
            ...weather,
            execute: async ({ city }: { city: string }) => {
              asked.push(city)
              return { city, sky: 'clear' }
            },
          }),
        },
        stopWhen: ai.stepCountIs(3),
      }
      const result = streamed ? ai.streamText(options) : await ai.generateText(options)
      if ('consumeStream' in result) await result.consumeStream()
      const steps = await result.steps
      t.deepEqual(asked, ['Paris', 'Zürich }'])
      t.is(steps.length, 2)
      t.is(steps[0]?.finishReason, 'tool-calls')
      t.is(steps[0]?.text, 'Looking.')
      t.is(await result.text, 'Sunny in both.')
      const [first] = steps[0]?.toolCalls ?? []
      t.regex(first?.toolCallId ?? '', /^chatcmpl-tool-/)
    }
    free(t)
  })

  test.serial(`${title}: input of tools streams`, async t => {
    await model.say(call('a long name of a city that has many tokens'))
    const { fullStream } = ai.streamText({ model: languageModel, prompt: 'x', tools: { weather: ai.tool(weather) } })
    const deltas: string[] = []
    for await (const part of fullStream) if (part.type === 'tool-input-delta') deltas.push(part.delta)
    t.true(deltas.length > 3)
    t.deepEqual(JSON.parse(deltas.join('')), { city: 'a long name of a city that has many tokens' })
  })

  test.serial(`${title}: cancelling frees the request`, async t => {
    const long = 'one two three '.repeat(200)
    await model.say(long, long)
    const controller = new AbortController()
    const aborted = ai.streamText({
      model: languageModel,
      prompt: 'Count',
      abortSignal: controller.signal,
      onError: () => {},
    })
    let parts = 0
    for await (const part of aborted.fullStream) {
      if (part.type === 'text-delta') parts += 1
      if (parts === 3) controller.abort()
    }
    t.true(parts < 300)
    free(t)
    const { stream } = await languageModelOf(languageModel).doStream({
      prompt: [{ role: 'user', content: [{ type: 'text', text: 'Count' }] }],
    })
    const reader = stream.getReader()
    await reader.read()
    await reader.cancel()
    free(t)
  })

  test.serial(`${title}: what cannot be read or run is an error`, async t => {
    const image = { type: 'file' as const, mediaType: 'image/png', data: new Uint8Array([137, 80, 78, 71]) }
    await t.throwsAsync(
      ai.generateText({ model: languageModel, messages: [{ role: 'user', content: [image] }], maxRetries: 0 }),
      { message: /reads text only/ },
    )
    await t.throwsAsync(ai.generateText({ model: languageModel, prompt: 'x', temperature: 9, maxRetries: 0 }), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /temperature/,
    } as never)
    await t.throwsAsync(ai.generateText({ model: languageModel, prompt: 'x '.repeat(6000), maxRetries: 0 }), {
      code: 'ERR_PROMPT_TOO_LONG',
    } as never)
    free(t)
  })
}

test.serial('ai 7: the effort of reasoning reaches the template', async t => {
  await model.say('Yes.')
  const seen: string[] = []
  const off = model.engine.observe({ ended: ({ prompt }) => void seen.push(prompt ?? '') })
  await ai7.generateText({ model: v4('scripted'), prompt: 'Well?', reasoning: 'none' })
  off()
  t.regex(seen[0] ?? '', /<think><\/think>$/)
})

test.serial('the prompt has the tools, the calls and their results', async t => {
  await model.say(call('Paris'), 'Sunny.')
  const seen: string[] = []
  const off = model.engine.observe({ ended: ({ prompt }) => void seen.push(prompt ?? '') })
  await ai6.generateText({
    model: v3(),
    prompt: 'Weather?',
    tools: { weather: ai6.tool({ ...weather, execute: async () => 'clear' }) },
    stopWhen: ai6.stepCountIs(2),
  })
  off()
  t.regex(seen[0] ?? '', /"name": ?"weather".*The weather of a city.*<\|user\|>Weather\?/s)
  t.regex(
    seen[1] ?? '',
    /<tool_call>\{.*"name": ?"weather".*"city": ?"Paris".*<\|tool\|>clear \(chatcmpl-tool-\w+, weather\)/s,
  )
})

test('providers name what they do not have', t => {
  t.throws(() => v3.imageModel('x'), { name: 'AI_NoSuchModelError' })
  t.throws(() => createQuire({ engine: model.engine, specificationVersion: 'v9' as never }), {
    code: 'ERR_INVALID_ARGUMENT',
  } as never)
  t.throws(() => createQuire({ engine: model.engine, toolCallParser: 'nobody' }), { message: /hermes/ })
})

interface Streams {
  doStream(options: object): Promise<{ stream: ReadableStream }>
}

function languageModelOf(given: ai6.LanguageModel): Streams {
  return given as unknown as Streams
}
