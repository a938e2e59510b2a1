// The frameworks that run in Python against the contract, each in the environment that `npm run test:frameworks` makes.

import test from 'ava'
import type { FrameworkPlugin } from 'quire-llm/plugin'
import { conformance, formatReport } from 'quire-llm/testing'
import { pythonFrameworks } from '../frameworks/python-frameworks.js'
import { failures } from './failures.js'
import { fixtureModels } from './golden-folders.js'

/** An architecture, a way to store weights, a rope or a window each. */
const models = fixtureModels([
  ...['gpt2', 'llama_bf16', 'llama_bias', 'llama_gqa', 'llama_rope_llama3', 'llama_rope_yarn', 'llama_sharded'],
  ...['mistral_window', 'opt', 'opt_post_norm', 'qwen2', 'qwen3_window', 'starcoder2_window'],
])

for (const { name, reason } of pythonFrameworks) {
  if (reason !== undefined) {
    test.skip(`${name}: ${reason}`, () => {})
    continue
  }
  test.serial(`${name} conforms, on one rank and on two`, async t => {
    t.timeout(20 * 60 * 1000)
    const { plugin } = (await import(`@quire-llm/${name}`)) as { plugin: FrameworkPlugin }
    const device = { kind: 'cpu', index: 0 } as const
    const report = await conformance(plugin, { device, models, threads: 2, worldSize: 2 })
    t.log(formatReport(report))
    t.deepEqual(failures(report), [])
    t.true(report.numPassed > 100)
  })
}
