// A histogram of ours reads as prom-client's own of the same observations.

import test from 'ava'
import { Histogram, Registry } from 'prom-client'
import { TallyHistogram } from '../../ts/src/server/metrics/tally-histogram.js'

const [name, help, buckets] = ['seconds', 'Help.', [0.01, 0.1, 2.5]]

test('every observation is counted where prom-client counts it', async t => {
  const [ours, theirs] = [new Registry(), new Registry()]
  for (const registry of [ours, theirs]) registry.setDefaultLabels({ model: 'm' })
  const tally = new TallyHistogram({ name, help, buckets })
  ours.registerMetric(tally)
  const histogram = new Histogram({ name, help, buckets, registers: [theirs] })
  t.is(await ours.metrics(), await theirs.metrics())
  for (const value of [0, 0.01, 0.010001, 0.1, 1, 2.5, 2.6, 1e9, -1]) {
    tally.tally(value)
    histogram.observe(value)
  }
  t.is(await ours.metrics(), await theirs.metrics())
  const json = async (registry: Registry) => JSON.parse(JSON.stringify(await registry.getMetricsAsJSON()))[0].values
  t.deepEqual(
    (await json(ours)).map((one: { value: number }) => one.value),
    (await json(theirs)).map((one: { value: number }) => one.value),
  )
  tally.reset()
  t.regex(await ours.metrics(), /^seconds_count\{model="m"\} 0$/m)
})
