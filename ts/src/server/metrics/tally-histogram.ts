// A histogram without labels that is told of every token: a search among numbers and two additions, where prom-client's own
// looks its bounds up by their names.

import { Histogram } from 'prom-client'

export interface TallyHistogramOptions {
  readonly name: string
  readonly help: string
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[]
}

type Snapshot = Awaited<ReturnType<Histogram['get']>>

/** The enumeration that it is of is declared there, but not exported. */
const TYPE = 'histogram' as unknown as Snapshot['type']

/** A metric of prom-client's; whoever makes it registers it. */
export class TallyHistogram extends Histogram {
  readonly #options: TallyHistogramOptions
  readonly #bounds: Float64Array
  /** Observations up to each bound and above the one before, and above all. */
  readonly #counts: Float64Array
  #sum = 0

  constructor(options: TallyHistogramOptions) {
    const { name, help, buckets } = options
    super({ name, help, buckets: [...buckets], registers: [] })
    this.#options = options
    this.#bounds = Float64Array.from(buckets)
    this.#counts = new Float64Array(buckets.length + 1)
  }

  /** Counts `value`, which is a number. */
  tally(value: number): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) bucket += 1
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#sum += value
  }

  override reset(): void {
    super.reset()
    // prom-client's constructor calls this too, before there is anything of ours.
    if (!(#counts in this)) return
    this.#counts.fill(0)
    this.#sum = 0
  }

  override get(): Promise<Snapshot> {
    return this.getForPromString()
  }

  /** What the registry asks for when it writes text. */
  async getForPromString(): Promise<Snapshot> {
    const { name, help } = this.#options
    const values: Snapshot['values'] = []
    let total = 0
    for (const [bucket, count] of this.#counts.entries()) {
      total += count
      values.push({ labels: { le: this.#bounds[bucket] ?? '+Inf' }, value: total, metricName: `${name}_bucket` })
    }
    values.push({ labels: {}, value: this.#sum, metricName: `${name}_sum` })
    values.push({ labels: {}, value: total, metricName: `${name}_count` })
    return { name, help, type: TYPE, aggregator: 'sum', collect: () => {}, values }
  }
}
