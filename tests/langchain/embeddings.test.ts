// `QuireEmbeddings`: the engine's vectors for documents and queries.

import { QuireEmbeddings } from '@quire-llm/langchain'
import test from 'ava'
import { withEmbeddings } from '../tools/embedding-stub.js'
import { ScriptedModel } from '../tools/scripted-model.js'

const model = await ScriptedModel.create()
test.after(() => model.engine.close())
const { engine, calls } = withEmbeddings(model.engine)

test.serial('documents and queries, with options', async t => {
  const embeddings = new QuireEmbeddings({ engine, options: { dimensions: 3 } })
  t.deepEqual(await embeddings.embedQuery('Aa'), [2, 65, 0.5])
  calls.length = 0
  t.deepEqual(await embeddings.embedDocuments(['B', 'CCC']), [
    [1, 66, 0.5],
    [3, 67, 0.5],
  ])
  t.deepEqual(calls, [{ inputs: ['B', 'CCC'], options: { dimensions: 3 } }])
  t.deepEqual(await embeddings.embedDocuments([]), [])
})

test.serial('refusals reach the caller', async t => {
  await t.throwsAsync(new QuireEmbeddings({ engine }).embedQuery('refuse'), { code: 'ERR_NOT_SUPPORTED' } as never)
})
