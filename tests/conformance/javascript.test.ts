// A framework in plain JavaScript against the contract, and the engine on it.

import test from 'ava'
import { LLM, registerPlugin, SamplingParams } from 'quire-llm'
import type { FrameworkPlugin } from 'quire-llm/plugin'
import { conformance, formatReport, readGoldenModel } from 'quire-llm/testing'
import { plugin } from '../fixtures/plugin-javascript/index.js'
import { failures } from './failures.js'
import { fixtureModels } from './golden-folders.js'

const models = fixtureModels(['llama_gqa', 'llama_mha', 'llama_bf16', 'llama_f16', 'llama_head_dim', 'gpt2'])

test.serial('the plugin in plain JavaScript conforms', async t => {
  const report = await conformance(plugin as FrameworkPlugin, { models })
  t.log(formatReport(report))
  t.deepEqual(failures(report), [])
  t.true(report.numPassed > 90)
})

test.serial('the engine gives golden tokens on it', async t => {
  registerPlugin(plugin as FrameworkPlugin)
  for (const path of models.slice(0, 4)) {
    const { cases } = await readGoldenModel(path)
    const options = {
      model: path,
      framework: 'javascript',
      loadTokenizer: false,
      blockSize: 4,
      maxNumBatchedTokens: 16,
    }
    await using llm = await LLM.create(options)
    const outputs = await llm.generate(
      cases.map(({ promptTokenIds }) => ({ promptTokenIds })),
      cases.map(one => new SamplingParams({ temperature: 0, maxTokens: one.outputTokenIds.length, ignoreEos: true })),
      { progress: false },
    )
    t.deepEqual(
      outputs.map(({ outputs: [first] }) => first?.tokenIds),
      cases.map(one => one.outputTokenIds),
    )
  }
})
