// Bars as SVG, one below the other in groups, each with its value. Knows numbers and labels, no benchmark.

export interface Bar {
  readonly label: string
  readonly value: number
}

export interface BarGroup {
  readonly title: string
  readonly bars: readonly Bar[]
}

export interface BarChart {
  readonly title: string
  readonly groups: readonly BarGroup[]
  /** What a whole bar stands for; absent = the largest value of its group. */
  readonly most?: number
  /** The value as it is written behind its bar. */
  shown(value: number): string
}

const WIDTH = 720
const LEFT = 300
const RIGHT = 80
const ROW = 20
const TOP = 40
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']

/** One file with the chart. Bars of one label have one colour where a group has several labels. */
export function svgBars({ title, groups, most, shown }: BarChart): string {
  const labels = [...new Set(groups.flatMap(({ bars }) => bars.map(({ label }) => label)))]
  const isKeyed = labels.length <= COLOURS.length
  const lines: string[] = []
  let y = TOP
  for (const group of groups) {
    lines.push(text(16, y + 14, group.title, ' font-weight="bold"'))
    y += ROW
    const values = group.bars.map(({ value }) => value).filter(Number.isFinite)
    const whole = most ?? Math.max(...values, Number.MIN_VALUE)
    for (const { label, value } of group.bars) {
      if (!Number.isFinite(value)) continue
      const length = (Math.min(Math.max(value / whole, 0), 1) * (WIDTH - LEFT - RIGHT)).toFixed(1)
      const colour = COLOURS[isKeyed ? labels.indexOf(label) : 0] as string
      lines.push(
        text(LEFT - 8, y + 14, label, ' text-anchor="end"'),
        `<rect x="${LEFT}" y="${y + 3}" width="${length}" height="${ROW - 6}" fill="${colour}"/>`,
        text(LEFT + Number(length) + 6, y + 14, shown(value)),
      )
      y += ROW
    }
    y += ROW / 2
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" ` +
    `font-family="sans-serif" font-size="12">\n<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>\n` +
    `${text(WIDTH / 2, 24, title, ' text-anchor="middle" font-weight="bold"')}\n${lines.join('\n')}\n</svg>\n`
  )
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${Number(x.toFixed(1))}" y="${y}"${attributes}>${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
