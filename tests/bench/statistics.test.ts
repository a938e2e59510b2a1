// Arrivals and figures, against values that were worked out by hand.

import test from 'ava'
import { RandomSource } from '../../ts/src/bench/random-source.js'
import { arrivalTimes, checkTraffic, type Traffic } from '../../ts/src/bench/serving/arrivals.js'
import type { RequestRecord } from '../../ts/src/bench/serving/request-record.js'
import { servingMetrics } from '../../ts/src/bench/serving/serving-metrics.js'
import { servingReport } from '../../ts/src/bench/serving/serving-report.js'
import { percentileOf, summarize } from '../../ts/src/bench/serving/statistics.js'

const intervalsOf = (times: Float64Array) => Array.from(times, (time, index) => time - (times[index - 1] ?? 0))

test('draws: uniform, normal, gamma, in range, the same for a seed', t => {
  const random = new RandomSource(7)
  const uniform = summarize(
    Array.from({ length: 20_000 }, () => random.uniform()),
    [],
  )
  t.true(Math.abs(uniform.mean - 0.5) < 0.01 && Math.abs(uniform.std - Math.sqrt(1 / 12)) < 0.01)
  const normal = summarize(
    Array.from({ length: 20_000 }, () => random.normal()),
    [],
  )
  t.true(Math.abs(normal.mean) < 0.03 && Math.abs(normal.std - 1) < 0.03)
  for (const shape of [0.25, 1, 4]) {
    const { mean, std } = summarize(
      Array.from({ length: 20_000 }, () => random.gamma(shape, 2)),
      [],
    )
    t.true(Math.abs(mean / (shape * 2) - 1) < 0.06, `mean of gamma ${shape}: ${mean}`)
    t.true(Math.abs(std / (2 * Math.sqrt(shape)) - 1) < 0.06, `deviation of gamma ${shape}: ${std}`)
  }
  const drawn = new Set(Array.from({ length: 1000 }, () => random.integer(3, 6)))
  t.deepEqual([...drawn].sort(), [3, 4, 5, 6])
  t.deepEqual(random.shuffled([1, 2, 3, 4, 5]).sort(), [1, 2, 3, 4, 5])
  const [a, b, c] = [new RandomSource(1), new RandomSource(1), new RandomSource(2)]
  const [first, second, other] = [a, b, c].map(source => Array.from({ length: 8 }, () => source.uniform()))
  t.deepEqual(first, second)
  t.notDeepEqual(first, other)
})

test('arrivals: at once, at a rate, in bursts, evenly', t => {
  const at = (traffic: Partial<Traffic>) =>
    arrivalTimes(2000, { requestRate: 50, burstiness: 1, ...traffic }, new RandomSource(0))
  t.deepEqual([...new Set(at({ requestRate: Infinity }))], [0])
  for (const burstiness of [0.25, 1, 4]) {
    const times = at({ burstiness })
    t.true(Math.abs((times.at(-1) as number) - 40_000) < 1e-6, 'the rate is met exactly')
    const { mean, std } = summarize(intervalsOf(times), [])
    t.true(Math.abs(std / mean / (1 / Math.sqrt(burstiness)) - 1) < 0.1, `${burstiness}: ${std / mean}`)
  }
  const even = intervalsOf(at({ burstiness: Infinity }))
  t.true(even.every(interval => Math.abs(interval - 20) < 1e-9))
})

test('arrivals: a rate that rises', t => {
  for (const strategy of ['linear', 'exponential'] as const) {
    const rampUp = { strategy, startRps: 10, endRps: 1000 }
    const traffic = { requestRate: Infinity, burstiness: Infinity, rampUp }
    const intervals = intervalsOf(arrivalTimes(101, traffic, new RandomSource(0)))
    t.true(Math.abs((intervals[0] as number) - 100) < 1e-9)
    t.true(Math.abs((intervals.at(-1) as number) - 1) < 1e-9)
    const middle = 1000 / (intervals[50] as number)
    t.true(Math.abs(middle - (strategy === 'linear' ? 505 : 100)) < 1e-6, `${middle}`)
  }
  const fromNothing = { strategy: 'linear', startRps: 0, endRps: 10 } as const
  const times = arrivalTimes(10, { requestRate: Infinity, burstiness: 1, rampUp: fromNothing }, new RandomSource(0))
  t.true(times.every(Number.isFinite))
})

test('traffic that cannot be', t => {
  const bad: readonly Traffic[] = [
    { requestRate: 0, burstiness: 1 },
    { requestRate: -1, burstiness: 1 },
    { requestRate: 1, burstiness: 0 },
    { requestRate: 5, burstiness: 1, rampUp: { strategy: 'linear', startRps: 1, endRps: 2 } },
    { requestRate: Infinity, burstiness: 1, rampUp: { strategy: 'linear', startRps: 3, endRps: 2 } },
    { requestRate: Infinity, burstiness: 1, rampUp: { strategy: 'exponential', startRps: 0, endRps: 2 } },
  ]
  for (const traffic of bad) t.throws(() => checkTraffic(traffic), { code: 'ERR_INVALID_ARGUMENT' })
})

test('percentiles lie between the nearest values', t => {
  t.is(percentileOf([1, 2, 3, 4], 50), 2.5)
  t.is(percentileOf([1, 2, 3, 4], 100), 4)
  t.is(percentileOf([1, 2, 3, 4], 0), 1)
  t.is(percentileOf([10], 99), 10)
  t.is(percentileOf([0, 100], 99), 99)
  t.like(summarize([], [99]), { mean: 0, median: 0, std: 0 })
})

const record = (fields: Partial<RequestRecord>): RequestRecord => ({
  arrivalMs: 0,
  startMs: 0,
  ttftMs: 100,
  itlsMs: [],
  latencyMs: 100,
  outputTokens: undefined,
  promptTokens: 10,
  text: '',
  error: undefined,
  ...fields,
})

const records = [
  record({ startMs: 0, ttftMs: 100, itlsMs: [50, 50], latencyMs: 200 }), // tpot 50
  record({ startMs: 100, ttftMs: 200, itlsMs: [100, 300], latencyMs: 600 }), // 5 tokens in 3 events: tpot 100
  record({ startMs: 200, ttftMs: 50, latencyMs: 50, arrivalMs: 150 }), // one token: no tpot
  record({ startMs: 200, ttftMs: 10, latencyMs: 10, error: 'cut' }),
]
const metrics = servingMetrics({ records, durationMs: 2000 }, [3, 5, 1, 9], {
  percentiles: [50, 99.9],
  goodput: { ttft: 150, tpot: 60 },
})

test('figures of a load', t => {
  t.like(metrics, {
    completed: 3,
    failed: 1,
    totalInputTokens: 30,
    totalOutputTokens: 9,
    requestThroughput: 1.5,
    outputThroughput: 4.5,
    totalThroughput: 19.5,
    requestGoodput: 1,
    peakConcurrency: 2, // the first has ended when the third begins
    outputLengths: [3, 5, 1, 0],
  })
  t.true(Math.abs(metrics.peakOutputThroughput - 9) < 1e-9)
  t.is(metrics.summaries.tpot.mean, 75)
  t.is(metrics.summaries.ttft.median, 100)
  t.is(metrics.summaries.itl.mean, 125)
  t.is(metrics.summaries.e2el.median, 200)
  t.is(metrics.summaries.client_queue_time.mean, (0 + 100 + 50) / 3)
})

test('the printed block', t => {
  const text = servingReport(metrics, {
    metrics: ['ttft', 'tpot', 'itl'],
    maxConcurrency: 4,
    requestRate: 8,
    resets: 0,
  })
  t.is(
    text,
    [
      '============ Serving Benchmark Result ============',
      'Successful requests:                     3         ',
      'Failed requests:                         1         ',
      'Maximum request concurrency:             4         ',
      'Request rate configured (RPS):           8.00      ',
      'Benchmark duration (s):                  2.00      ',
      'Total input tokens:                      30        ',
      'Total generated tokens:                  9         ',
      'Request throughput (req/s):              1.50      ',
      'Request goodput (req/s):                 1.00      ',
      'Output token throughput (tok/s):         4.50      ',
      'Peak output token throughput (tok/s):    9.00      ',
      'Peak concurrent requests:                2.00      ',
      'Total token throughput (tok/s):          19.50     ',
      '---------------Time to First Token----------------',
      'Mean TTFT (ms):                          116.67    ',
      'Median TTFT (ms):                        100.00    ',
      'P50 TTFT (ms):                           100.00    ',
      'P99.9 TTFT (ms):                         199.80    ',
      '-----Time per Output Token (excl. 1st token)------',
      'Mean TPOT (ms):                          75.00     ',
      'Median TPOT (ms):                        75.00     ',
      'P50 TPOT (ms):                           75.00     ',
      'P99.9 TPOT (ms):                         99.95     ',
      '---------------Inter-token Latency----------------',
      'Mean ITL (ms):                           125.00    ',
      'Median ITL (ms):                         75.00     ',
      'P50 ITL (ms):                            75.00     ',
      'P99.9 ITL (ms):                          299.40    ',
      '==================================================',
      '',
    ].join('\n'),
  )
})
