// Small charts as SVG: lines and points over two axes. Knows numbers and labels, no benchmark.

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Points alone, or a line through them. */
  readonly shape: 'points' | 'line'
}

export interface Chart {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  readonly series: readonly Series[]
  /** Equal steps for equal factors, for values above 0. */
  readonly xScale?: 'linear' | 'logarithmic'
}

const WIDTH = 640
const HEIGHT = 360
const MARGIN = { left: 72, right: 24, top: 40, bottom: 72 }
/** Told apart by those who see few colours: Okabe and Ito. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']
const TICKS = 6

/** Charts below each other, as one file. */
export function svgDocument(charts: readonly Chart[]): string {
  const body = charts.map((chart, index) => `<g transform="translate(0 ${index * HEIGHT})">\n${drawn(chart)}</g>\n`)
  const height = charts.length * HEIGHT
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `font-family="sans-serif" font-size="12">\n<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>\n` +
    `${body.join('')}</svg>\n`
  )
}

function drawn(chart: Chart): string {
  const points = chart.series.flatMap(({ points }) => points).filter(point => point.every(Number.isFinite))
  const x = axis(
    points.map(([value]) => value),
    [MARGIN.left, WIDTH - MARGIN.right],
    chart.xScale ?? 'linear',
  )
  const y = axis(
    points.map(([, value]) => value),
    [HEIGHT - MARGIN.bottom, MARGIN.top],
    'linear',
  )
  const [left, right, bottom, top] = [MARGIN.left, WIDTH - MARGIN.right, HEIGHT - MARGIN.bottom, MARGIN.top]
  const lines = [
    text(WIDTH / 2, 24, chart.title, 'middle', ' font-weight="bold"'),
    ...y.ticks.flatMap(tick => [
      `<line x1="${left}" y1="${y.place(tick)}" x2="${right}" y2="${y.place(tick)}" stroke="#dddddd"/>`,
      text(left - 8, Number(y.place(tick)) + 4, shown(tick), 'end'),
    ]),
    ...x.ticks.flatMap(tick => [
      `<line x1="${x.place(tick)}" y1="${bottom}" x2="${x.place(tick)}" y2="${bottom + 4}" stroke="#333333"/>`,
      text(Number(x.place(tick)), bottom + 18, shown(tick), 'middle'),
    ]),
    `<polyline points="${left},${top} ${left},${bottom} ${right},${bottom}" fill="none" stroke="#333333"/>`,
    text((left + right) / 2, bottom + 36, chart.xLabel, 'middle'),
    `<text transform="translate(16 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(chart.yLabel)}</text>`,
    ...chart.series.flatMap((series, index) => mark(series, x, y, COLOURS[index % COLOURS.length] as string)),
    ...legend(chart.series, bottom + 58),
  ]
  return lines.map(line => `${line}\n`).join('')
}

function mark({ points, shape }: Series, x: Axis, y: Axis, colour: string): string[] {
  const places = points.filter(point => point.every(Number.isFinite)).map(([a, b]) => [x.place(a), y.place(b)] as const)
  const radius = shape === 'line' ? 3 : 1.5
  const dots = places.map(([a, b]) => `<circle cx="${a}" cy="${b}" r="${radius}" fill="${colour}"/>`)
  if (shape === 'points') return dots
  const path = places.map(([a, b]) => `${a},${b}`).join(' ')
  return [`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`, ...dots]
}

function legend(series: readonly Series[], y: number): string[] {
  const step = (WIDTH - MARGIN.left - MARGIN.right) / Math.max(series.length, 1)
  return series.flatMap(({ name }, index) => {
    const at = MARGIN.left + index * step
    const colour = COLOURS[index % COLOURS.length]
    return [`<rect x="${at}" y="${y - 10}" width="12" height="12" fill="${colour}"/>`, text(at + 18, y, name, 'start')]
  })
}

interface Axis {
  readonly ticks: readonly number[]
  place(value: number): string
}

function axis(values: readonly number[], [start, end]: readonly [number, number], scale: Chart['xScale']): Axis {
  const most = values.reduce((a, b) => Math.max(a, b), 0)
  if (scale === 'logarithmic' && values.length > 0 && values.every(value => value > 0)) {
    const [low, high] = [Math.log(Math.min(...values)), Math.log(most)]
    const span = high - low || 1
    const ticks = [...new Set(values)].sort((a, b) => a - b)
    return { ticks, place: value => (start + ((Math.log(value) - low) / span) * (end - start)).toFixed(1) }
  }
  const step = niceStep(most || 1)
  const top = Math.ceil((most || 1) / step) * step
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step)
  return { ticks, place: value => (start + (value / top) * (end - start)).toFixed(1) }
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(most: number): number {
  const rough = most / TICKS
  const power = 10 ** Math.floor(Math.log10(rough))
  const factor = [1, 2, 5, 10].find(candidate => candidate * power >= rough) ?? 10
  return factor * power
}

function shown(value: number): string {
  return value >= 10_000 ? `${Number((value / 1000).toPrecision(4))}k` : String(Number(value.toPrecision(4)))
}

function text(x: number, y: number, content: string, anchor: string, attributes = ''): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${attributes}>${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
