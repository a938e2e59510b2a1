// What `bench serve --plot` draws: one level of concurrency over time and by percentiles, several against each other.

import type { Measurement } from '../serving/serve-bench.js'
import { earliest } from '../serving/serving-metrics.js'
import { percentileOf } from '../serving/statistics.js'
import { type Chart, svgDocument } from './svg-chart.js'

const PERCENTS = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99]

/** An SVG file. */
export function servingPlot(measurements: readonly Measurement[]): string {
  const charts = measurements.length > 1 ? comparison(measurements) : measurements.flatMap(single)
  return svgDocument(charts)
}

function single({ load, modelId }: Measurement): Chart[] {
  const good = load.records.filter(({ error }) => error === undefined)
  const start = earliest(good)
  const atSecond = (ms: number): number => (ms - start) / 1000
  const ttfts = good.map(({ ttftMs = 0 }) => ttftMs)
  const itls = good.flatMap(({ itlsMs }) => itlsMs)
  return [
    {
      title: `${modelId}: latency of requests over time`,
      xLabel: 'sent at (s)',
      yLabel: 'ms',
      series: [
        { name: 'TTFT', shape: 'points', points: good.map(({ startMs, ttftMs = 0 }) => [atSecond(startMs), ttftMs]) },
        { name: 'E2EL', shape: 'points', points: good.map(({ startMs, latencyMs }) => [atSecond(startMs), latencyMs]) },
      ],
    },
    percentileChart('Time to first token', ttfts),
    percentileChart('Inter-token latency', itls),
  ]
}

function percentileChart(title: string, values: readonly number[]): Chart {
  const sorted = Float64Array.from(values).sort()
  const points = sorted.length === 0 ? [] : PERCENTS.map((p): [number, number] => [p, percentileOf(sorted, p)])
  return {
    title: `${title}, by percentile`,
    xLabel: 'percentile',
    yLabel: 'ms',
    series: [{ name: title, shape: 'line', points }],
  }
}

function comparison(measurements: readonly Measurement[]): Chart[] {
  const against = (value: (measurement: Measurement) => number): [number, number][] =>
    measurements.map(measurement => [measurement.maxConcurrency ?? measurement.numPrompts, value(measurement)])
  const name = measurements[0]?.modelId ?? ''
  const shared = { xLabel: 'requests at once', xScale: 'logarithmic' } as const
  const latency = (title: string, metric: 'ttft' | 'itl'): Chart => ({
    ...shared,
    title,
    yLabel: 'ms',
    series: [
      { name: 'mean', shape: 'line', points: against(({ metrics }) => metrics.summaries[metric].mean) },
      { name: 'median', shape: 'line', points: against(({ metrics }) => metrics.summaries[metric].median) },
      ...percentSeries(metric),
    ],
  })
  const percentSeries = (metric: 'ttft' | 'itl'): Chart['series'] =>
    [...(measurements[0]?.metrics.summaries[metric].percentiles.keys() ?? [])].map(percent => ({
      name: `p${percent}`,
      shape: 'line',
      points: against(({ metrics }) => metrics.summaries[metric].percentiles.get(percent) ?? Number.NaN),
    }))
  return [
    {
      ...shared,
      title: `${name}: throughput`,
      yLabel: 'output tokens/s',
      series: [{ name: 'output', shape: 'line', points: against(({ metrics }) => metrics.outputThroughput) }],
    },
    latency('Time to first token', 'ttft'),
    latency('Inter-token latency', 'itl'),
  ]
}
