// The package `@openai/agents` on a real socket, by its default Responses API and by chats: run whole and streamed, a loop of
// tools, typed output, cancelled in the middle, 64 at once, errors.

import {
  Agent,
  OpenAIProvider,
  Runner,
  run,
  setDefaultOpenAIClient,
  setOpenAIAPI,
  setTracingDisabled,
  tool,
} from '@openai/agents'
import test from 'ava'
import OpenAI from 'openai'
import { z } from 'zod'
import { allFree, listen } from '../test-server.js'

const server = await listen()
const access = { baseURL: server.baseUrl, apiKey: 'none' }
test.after.always(() => server.close())

const Place = z.object({ city: z.enum(['Ulm', 'Bonn']) })
// Runs fail where an answer is cut off: these end by themselves.
const ending = { temperature: 0, maxTokens: 60, providerData: { stop: ['!', '.', '?'] } }

for (const useResponses of [true, false]) {
  const api = useResponses ? 'responses' : 'chats'
  const runner = new Runner({
    modelProvider: new OpenAIProvider({ ...access, useResponses }),
    model: 'quire',
    tracingDisabled: true,
  })
  const agent = new Agent({ name: 'greeter', instructions: 'Be kind.', modelSettings: ending })

  test(`${api}: a run, whole and streamed`, async t => {
    const whole = await runner.run(agent, 'Hello')
    t.true(String(whole.finalOutput).length > 2)
    const stream = await runner.run(agent, 'Hello', { stream: true })
    let text = ''
    for await (const piece of stream.toTextStream()) text += piece
    await stream.completed
    t.is(text, whole.finalOutput as string)
    t.is(stream.finalOutput, whole.finalOutput as string)
    const events = (await runner.run(agent, whole.history.concat({ role: 'user', content: 'And now?' }))).rawResponses
    t.true((events[0]?.usage.inputTokens ?? 0) > (whole.rawResponses[0]?.usage.inputTokens ?? 0))
  })

  test(`${api}: a loop of tools, whole and streamed`, async t => {
    const called: z.output<typeof Place>[] = []
    const weather = tool({
      name: 'weather',
      description: 'The weather of a city.',
      parameters: Place,
      execute: given => {
        called.push(given)
        return 'Sunny.'
      },
    })
    const caller = new Agent({
      name: 'caller',
      instructions: 'Be kind.',
      tools: [weather],
      // The choice is free again after the first call, and the model answers.
      modelSettings: { ...ending, maxTokens: 120, toolChoice: 'required' },
    })
    const whole = await runner.run(caller, 'How is the weather in Ulm?')
    t.true(String(whole.finalOutput).length > 2)
    t.deepEqual(
      whole.newItems.map(({ type }) => type),
      ['tool_call_item', 'tool_call_output_item', 'message_output_item'],
    )
    const stream = await runner.run(caller, 'How is the weather in Ulm?', { stream: true })
    await stream.completed
    t.is(stream.finalOutput, whole.finalOutput as string)
    t.is(called.length, 2)
    for (const given of called) t.true(Place.safeParse(given).success)
    // The call and its result, as a conversation that goes on.
    const next = await runner.run(agent, [...whole.history, { role: 'user', content: 'Thanks' }])
    t.true(String(next.finalOutput).length > 0)
  })

  test(`${api}: a typed output`, async t => {
    const typed = new Agent<unknown, typeof Place>({
      name: 'typed',
      outputType: Place,
      modelSettings: { temperature: 0, maxTokens: 60 },
    })
    const { finalOutput } = await runner.run(typed, 'Hello')
    t.true(Place.safeParse(finalOutput).success)
  })

  test.serial(`${api}: cancelled in the middle, its blocks are free`, async t => {
    const controller = new AbortController()
    const endless = new Agent({
      name: 'endless',
      modelSettings: { temperature: 0, maxTokens: 480, providerData: { ignore_eos: true } },
    })
    const stream = await runner.run(endless, 'Hello', { stream: true, signal: controller.signal })
    let pieces = 0
    try {
      for await (const _ of stream.toTextStream()) {
        pieces += 1
        controller.abort()
      }
      await stream.completed
    } catch {
      // Whether an aborted run throws is the package's own matter.
    }
    t.true(pieces >= 1 && pieces < 400)
    t.true(await allFree(server.engine))
  })

  test(`${api}: 64 at once`, async t => {
    const runs = await Promise.all(Array.from({ length: 64 }, () => runner.run(agent, 'Hello')))
    t.is(new Set(runs.map(({ finalOutput }) => finalOutput)).size, 1)
  })

  test(`${api}: errors`, async t => {
    const wrong = new Agent({ name: 'wrong', model: 'gpt-5', modelSettings: ending })
    const missing = await t.throwsAsync(runner.run(wrong, 'Hello'))
    t.regex(missing?.message ?? '', /gpt-5/)
    const hot = new Agent({ name: 'hot', modelSettings: { temperature: 9 } })
    const refused = await t.throwsAsync(runner.run(hot, 'Hello'))
    t.regex(refused?.message ?? '', /temperature/)
  })
}

test('responses: a run goes on from an earlier response', async t => {
  const runner = new Runner({
    modelProvider: new OpenAIProvider({ ...access, useResponses: true }),
    model: 'quire',
    tracingDisabled: true,
  })
  const agent = new Agent({ name: 'greeter', modelSettings: ending })
  const first = await runner.run(agent, 'Hello')
  t.regex(first.lastResponseId ?? '', /^resp_/)
  const next = await runner.run(agent, 'And now?', { previousResponseId: first.lastResponseId as string })
  t.true((next.rawResponses[0]?.usage.inputTokens ?? 0) > (first.rawResponses[0]?.usage.inputTokens ?? 0) + 5)
})

test.serial("by the package's globals: run() as it is, and after setOpenAIAPI('chat_completions')", async t => {
  // The package may have a copy of `openai` of its own, and means that one's type.
  setDefaultOpenAIClient(new OpenAI(access) as unknown as Parameters<typeof setDefaultOpenAIClient>[0])
  setTracingDisabled(true)
  const agent = new Agent({ name: 'greeter', model: 'quire', modelSettings: ending })
  const byResponses = await run(agent, 'Hello')
  t.regex(byResponses.lastResponseId ?? '', /^resp_/)
  setOpenAIAPI('chat_completions')
  const byChats = await run(agent, 'Hello')
  t.notRegex(byChats.lastResponseId ?? '', /^resp_/)
  t.is(byChats.finalOutput, byResponses.finalOutput)
})
