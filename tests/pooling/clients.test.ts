// Clients of embeddings on a real socket: openai, @langchain/openai, @llamaindex/openai, ai with @ai-sdk/openai-compatible.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { OpenAIEmbeddings } from '@langchain/openai'
import { OpenAIEmbedding } from '@llamaindex/openai'
import { embed, embedMany } from 'ai'
import test from 'ava'
import OpenAI from 'openai'
import { leftInTheMiddle, listen } from '../openai/test-server.js'
import { until } from '../server/served-engine.js'
import { cosine, fixture, goldenSequences } from './fixture-models.js'

const golden = goldenSequences('pooling/bert').filter(({ text }) => text !== '')
const texts = golden.map(({ text }) => text)

const server = await listen({ apiKeys: ['secret'], modelNames: ['bert'] }, { model: fixture('pooling/bert') })
test.after.always(() => server.close())

const common = { baseURL: server.baseUrl, apiKey: 'secret' }
const openai = new OpenAI({ ...common, maxRetries: 0 })

const isGolden = (vector: readonly number[] | undefined, index: number) =>
  cosine(vector ?? [], golden[index]?.mean ?? []) > 0.99999

test('openai asks for base64 by default and gives numbers', async t => {
  const reply = await openai.embeddings.create({ model: 'bert', input: texts })
  t.is(reply.data.length, texts.length)
  for (const [index, { embedding }] of reply.data.entries()) {
    t.is(embedding.length, 32)
    t.true(isGolden(embedding, index), texts[index])
  }
  const float = await openai.embeddings.create({ model: 'bert', input: texts, encoding_format: 'float' })
  t.deepEqual(
    float.data.map(({ embedding }) => embedding),
    reply.data.map(({ embedding }) => embedding),
  )
})

test('openai: ids, dimensions, base64 as it is', async t => {
  const ids = await openai.embeddings.create({ model: 'bert', input: [...(golden[0]?.token_ids ?? [])] })
  t.true(isGolden(ids.data[0]?.embedding, 0))
  const short = await openai.embeddings.create({ model: 'bert', input: 'the cat', dimensions: 16 })
  t.is(short.data[0]?.embedding.length, 16)
  const base64 = await openai.embeddings.create({ model: 'bert', input: 'the cat', encoding_format: 'base64' })
  t.is(typeof base64.data[0]?.embedding, 'string')
})

test('openai: errors', async t => {
  const refused = await t.throwsAsync(openai.embeddings.create({ model: 'bert', input: 'a', dimensions: 64 }))
  t.is((refused as InstanceType<typeof OpenAI.APIError>).status, 400)
  t.is((refused as InstanceType<typeof OpenAI.APIError>).param, 'dimensions')
  const unknown = await t.throwsAsync(openai.embeddings.create({ model: 'other', input: 'a' }))
  t.is((unknown as InstanceType<typeof OpenAI.APIError>).status, 404)
  const stranger = new OpenAI({ ...common, apiKey: 'wrong', maxRetries: 0 })
  const denied = await t.throwsAsync(stranger.embeddings.create({ model: 'bert', input: 'a' }))
  t.is((denied as InstanceType<typeof OpenAI.APIError>).status, 401)
})

test('openai: 64 requests at once', async t => {
  const replies = await Promise.all(
    Array.from({ length: 64 }, (_, index) =>
      openai.embeddings.create({ model: 'bert', input: texts[index % texts.length] as string }),
    ),
  )
  for (const [index, { data }] of replies.entries()) t.true(isGolden(data[0]?.embedding, index % texts.length))
})

test('openai: cancelled in the middle', async t => {
  const input = Array.from({ length: 2000 }, () => 'the cat sat on the mat '.repeat(7))
  const call = leftInTheMiddle(server.engine, async signal =>
    openai.embeddings.create({ model: 'bert', input }, { signal }),
  )
  await t.throwsAsync(call, { instanceOf: OpenAI.APIUserAbortError })
  await until('nothing is left of it', () => server.engine.numRequests === 0)
})

test('LangChain: documents and queries', async t => {
  const { baseURL, apiKey } = common
  const embeddings = new OpenAIEmbeddings({ model: 'bert', apiKey, configuration: { baseURL }, maxRetries: 0 })
  const vectors = await embeddings.embedDocuments(texts)
  for (const [index, vector] of vectors.entries()) t.true(isGolden(vector, index))
  t.true(isGolden(await embeddings.embedQuery(texts[0] as string), 0))
  const short = new OpenAIEmbeddings({ model: 'bert', apiKey, dimensions: 8, configuration: { baseURL } })
  t.is((await short.embedQuery('the cat')).length, 8)
})

test('LlamaIndex: texts one by one and many', async t => {
  const embedding = new OpenAIEmbedding({ model: 'bert', ...common, maxRetries: 0 })
  for (const [index, vector] of (await embedding.getTextEmbeddings(texts)).entries()) t.true(isGolden(vector, index))
  t.true(isGolden(await embedding.getTextEmbedding(texts[1] as string), 1))
})

test('ai: embed and embedMany', async t => {
  const model = createOpenAICompatible({ name: 'quire', ...common }).textEmbeddingModel('bert')
  const { embeddings, usage } = await embedMany({ model, values: texts, maxRetries: 0 })
  for (const [index, vector] of embeddings.entries()) t.true(isGolden(vector, index))
  t.is(
    usage.tokens,
    golden.reduce((sum, { token_ids }) => sum + token_ids.length, 0),
  )
  const one = await embed({ model, value: texts[0] as string, maxRetries: 0 })
  t.true(isGolden(one.embedding, 0))
})
