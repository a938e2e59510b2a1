// A real chat model behind a server on a socket: SmolLM2-135M-Instruct says what it says in this process, in chats, calls,
// objects and vectors, alone and at once.

import { Ajv2020 } from 'ajv/dist/2020.js'
import test from 'ava'
import OpenAI from 'openai'
import { LLM } from '../../ts/src/node-llm.js'
import { Chat } from '../../ts/src/server/index.js'
import { type ListeningServer, listen } from '../openai/test-server.js'
import { model, reasonWithoutWeights } from '../parity/smollm2-model.js'
import { isIdle, until } from './served-engine.js'

const options = { model, dtype: 'float32', maxModelLen: 1024, threads: 2, numBlocks: 400 } as const
const questions = ['What is the capital of France?', 'Say hello in Spanish.', 'Name a colour.', 'What is 2 + 2?']
const asked = (content: string) => [{ role: 'user' as const, content }]
const greedy = { temperature: 0, maxTokens: 16 }
const place = {
  type: 'object',
  properties: { city: { enum: ['Paris', 'Rome', 'Oslo'] }, days: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['city', 'days'],
  additionalProperties: false,
}

async function both(run: (client: OpenAI, llm: LLM, server: ListeningServer) => Promise<void>): Promise<void> {
  const server = await listen({ modelNames: ['smollm2'] }, options)
  const llm = await LLM.create(options)
  try {
    await run(new OpenAI({ baseURL: server.baseUrl, apiKey: 'none', maxRetries: 0 }), llm, server)
  } finally {
    await llm.close()
    await server.close()
  }
}

const reason = reasonWithoutWeights()
if (reason !== undefined) test.skip(`SmolLM2-135M-Instruct behind a server: ${reason}`, () => {})
else {
  test('SmolLM2-135M-Instruct behind a server says what it says in this process', t =>
    both(async (client, llm, { engine }) => {
      const sampling = { temperature: 0, max_tokens: greedy.maxTokens }
      const here = await Promise.all(questions.map(async one => (await llm.chat(asked(one), greedy)).outputs[0]?.text))
      const there = await Promise.all(
        questions.map(async one => {
          const reply = await client.chat.completions.create({ model: 'smollm2', messages: asked(one), ...sampling })
          return reply.choices[0]?.message.content
        }),
      )
      t.deepEqual(there, here)
      t.regex(here[0] ?? '', /Paris/)
      let streamed = ''
      const body = { model: 'smollm2', messages: asked(questions[0] ?? ''), ...sampling, stream: true } as const
      for await (const chunk of await client.chat.completions.create(body))
        streamed += chunk.choices[0]?.delta.content ?? ''
      t.is(streamed, here[0] ?? '')

      const isPlace = new Ajv2020().compile(place)
      const chat = new Chat(llm.engine)
      const messages = asked('How is the weather in Oslo, for three days?')
      const tool = { name: 'weather', description: 'The weather in a city', parameters: place }
      const called = await client.chat.completions.create({
        model: 'smollm2',
        messages,
        tools: [{ type: 'function', function: tool }],
        tool_choice: 'required',
        parallel_tool_calls: false,
        temperature: 0,
        max_tokens: 100,
      })
      const [call] = called.choices[0]?.message.tool_calls ?? []
      const input = { messages, tools: [tool], toolChoice: 'required', parallelToolCalls: false } as const
      const [inProcess] = (await chat.complete({ ...input, sampling: { ...greedy, maxTokens: 100 } })).choices
      t.is(called.choices[0]?.finish_reason, 'tool_calls')
      t.true(call?.type === 'function' && call.function.name === 'weather')
      const text = call?.type === 'function' ? call.function.arguments : ''
      t.true(isPlace(JSON.parse(text)), text)
      t.is(text, inProcess?.toolCalls[0]?.arguments ?? '')

      const json = await client.chat.completions.create({
        model: 'smollm2',
        messages: asked('A trip to Rome for 3 days, as JSON.'),
        response_format: { type: 'json_schema', json_schema: { name: 'trip', schema: place, strict: true } },
        temperature: 0,
        max_tokens: 100,
      })
      const object = json.choices[0]?.message.content ?? ''
      t.true(isPlace(JSON.parse(object)), object)
      const constrained = { ...greedy, maxTokens: 100, structuredOutputs: { json: place } }
      const [own] = (await llm.chat(asked('A trip to Rome for 3 days, as JSON.'), constrained)).outputs
      t.is(object, own?.text ?? '')

      const vectors = await client.embeddings.create({ model: 'smollm2', input: questions })
      const ownVectors = await llm.embed(questions)
      t.is(vectors.data.length, questions.length)
      for (const [index, { embedding }] of vectors.data.entries())
        t.deepEqual(embedding, Array.from(ownVectors[index]?.embedding ?? []))
      await until('all blocks are free', () => isIdle(engine))
    }))
}
