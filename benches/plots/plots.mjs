// Draws what is kept in benches/results: the share of the machine's limit that each kernel reaches, peers against each other,
// tokens per second against streams. `npm run bench -- plots`; every other bench ends with it.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { svgBars } from '../../ts/dist/bench/plot/svg-bars.js'
import { svgDocument } from '../../ts/dist/bench/plot/svg-chart.js'

const results = resolve(fileURLToPath(new URL('../results', import.meta.url)))

const MEASURES = [
  ['prefill_tokens_per_second', 'prefill of 512'],
  ['decode_tokens_per_second', 'decode, one stream'],
  ['streams16_tokens_per_second', '16 streams'],
]

const figure = value => (value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))))

/** The result of this name, if it is kept. */
function read(name) {
  const path = join(results, `${name}.json`)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

function kernels() {
  const result = read('kernels')
  if (result === undefined) return undefined
  const rows = result.rows.filter(({ fraction }) => Number.isFinite(fraction))
  const isRead = ({ unit }) => unit === 'GB/s'
  const groups = [
    ['of what memory can be read at', rows.filter(isRead)],
    ['of the arithmetic peak', rows.filter(row => !isRead(row))],
  ].map(([title, list]) => ({ title, bars: list.map(({ name, fraction }) => ({ label: name, value: fraction })) }))
  const shown = value => `${Math.round(value * 100)} %`
  return svgBars({ title: `Share of the machine's limit: ${result.machine}, ${result.date}`, groups, most: 1, shown })
}

function peers() {
  const files = [
    ['peers-smollm2', 'SmolLM2-135M, bfloat16'],
    ['peers-smollm2-q4_1', 'SmolLM2-135M, Q4_1'],
  ]
  const groups = files.flatMap(([name, weights]) => groupsOf(weights, read(name)?.medians))
  const shapes = Object.entries(read('peers-1b')?.weights ?? {})
  groups.push(...shapes.flatMap(([weights, medians]) => groupsOf(`1B Llama shape, ${weights}`, medians)))
  return groups.length === 0 ? undefined : svgBars({ title: 'Tokens per second, two threads', groups, shown: figure })
}

function groupsOf(weights, medians = {}) {
  return MEASURES.map(([field, measure]) => ({
    title: `${weights}: ${measure}`,
    bars: Object.entries(medians)
      .filter(([, figures]) => Number.isFinite(figures[field]))
      .map(([peer, figures]) => ({ label: peer, value: figures[field] })),
  })).filter(({ bars }) => bars.length > 0)
}

function streams() {
  const result = read('serving')
  if (result === undefined) return undefined
  const pointsOf = figures =>
    Object.entries(figures).flatMap(([name, row]) => {
      const count = Number(/^streams_(\d+)$/.exec(name)?.[1])
      return Number.isFinite(count) && Number.isFinite(row.tokens_per_second) ? [[count, row.tokens_per_second]] : []
    })
  const charts = Object.entries(result.models).map(([model, figures]) => ({
    title: `${model}: output tokens per second of the server`,
    xLabel: 'streams at once',
    yLabel: 'tokens/s',
    xScale: 'logarithmic',
    series: [{ name: 'quire', shape: 'line', points: pointsOf(figures) }].filter(({ points }) => points.length > 0),
  }))
  const drawn = charts.filter(({ series }) => series.length > 0)
  return drawn.length === 0 ? undefined : svgDocument(drawn)
}

for (const [name, draw] of Object.entries({ kernels, peers, streams })) {
  const svg = draw()
  if (svg === undefined) console.log(`plots: nothing is kept for ${name}`)
  else writeFileSync(join(results, `${name}.svg`), svg)
}
