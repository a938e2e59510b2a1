// The embedded default against the contract: it has no privilege.

import { plugin } from '@quire-llm/candle-cpu'
import test from 'ava'
import { conformance, formatReport } from 'quire-llm/testing'
import { failures } from './failures.js'
import { fixtureModels } from './golden-folders.js'

test('candle conforms', async t => {
  const report = await conformance(plugin, { models: fixtureModels(), threads: 1 })
  t.log(formatReport(report))
  t.deepEqual(failures(report), [])
  t.true(report.numPassed > 100)
})
