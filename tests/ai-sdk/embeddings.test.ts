// Embeddings of `@quire-llm/ai-sdk` under `ai` 6 and `ai` 7: the engine's vectors, in order, with usage and options.

import { createQuire } from '@quire-llm/ai-sdk'
import * as ai6 from 'ai'
import * as ai7 from 'ai-7'
import test from 'ava'
import { Engine } from 'quire-llm'
import { withEmbeddings } from '../tools/embedding-stub.js'
import { ScriptedModel } from '../tools/scripted-model.js'

const model = await ScriptedModel.create()
test.after(() => model.engine.close())
const { engine, calls } = withEmbeddings(model.engine)
const v3 = createQuire({ engine })
const v4 = createQuire({ engine, specificationVersion: 'v4' })

const embedders = {
  'ai 6': {
    one: (value: string) => ai6.embed({ model: v3.embeddingModel(), value, maxRetries: 0 }),
    many: (values: string[], options = {}) => ai6.embedMany({ model: v3.embeddingModel(), values, ...options }),
  },
  'ai 7': {
    one: (value: string) => ai7.embed({ model: v4.embeddingModel(), value, maxRetries: 0 }),
    many: (values: string[], options = {}) => ai7.embedMany({ model: v4.embeddingModel(), values, ...options }),
  },
}

for (const [title, { one, many }] of Object.entries(embedders)) {
  test.serial(`${title}: one and many`, async t => {
    const { embedding, usage } = await one('Aa')
    t.deepEqual(embedding, [2, 65, 0.5])
    t.is(usage.tokens, 2)
    calls.length = 0
    const { embeddings, usage: all } = await many(['B', 'CCC', 'dd'], {
      providerOptions: { quire: { dimensions: 2 } },
    })
    t.deepEqual(embeddings, [
      [1, 66, 0.5],
      [3, 67, 0.5],
      [2, 100, 0.5],
    ])
    t.is(all.tokens, 6)
    t.is(calls.length, 1, 'one call: the engine batches')
    t.is(calls[0]?.options.dimensions, 2)
  })

  test.serial(`${title}: refusals and aborts reach the caller`, async t => {
    await t.throwsAsync(one('refuse'), { code: 'ERR_NOT_SUPPORTED' } as never)
    const aborted = t.throwsAsync(many(['a'], { abortSignal: AbortSignal.abort(), maxRetries: 0 }), { any: true })
    t.like(await aborted, { name: 'AbortError' })
  })
}

test.serial('the bundled model embeds', async t => {
  const bundled = await Engine.create({ threads: 1 })
  const values = ['A cat sat.', 'A dog ran.']
  const { embeddings, usage } = await ai6.embedMany({
    model: createQuire({ engine: bundled }).embeddingModel(),
    values,
  })
  const outputs = await bundled.embed(values)
  t.deepEqual(
    embeddings,
    outputs.map(({ embedding }) => Array.from(embedding)),
  )
  t.is(embeddings[0]?.length, 256)
  t.true(usage.tokens > 4)
  await bundled.close()
})
