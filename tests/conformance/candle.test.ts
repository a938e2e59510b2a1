// The embedded default against the contract: it has no privilege.

import test from 'ava'
import { plugin } from '../../plugins/candle-cpu/src/index.js'
import { conformance, formatReport } from '../../ts/src/testing/index.js'
import { failures } from './failures.js'
import { fixtureModels } from './golden-folders.js'

test('candle conforms', async t => {
  const report = await conformance(plugin, { models: fixtureModels(), threads: 1 })
  t.log(formatReport(report))
  t.deepEqual(failures(report), [])
  t.true(report.numPassed > 100)
})
