// Means and percentiles, as NumPy has them.

export interface Summary {
  readonly mean: number
  readonly median: number
  readonly std: number
  /** By percent. */
  readonly percentiles: ReadonlyMap<number, number>
}

/** Zeros where there are no values. */
export function summarize(values: readonly number[], percents: readonly number[]): Summary {
  const sorted = Float64Array.from(values.length === 0 ? [0] : values).sort()
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sorted.length
  return {
    mean,
    median: percentileOf(sorted, 50),
    std: Math.sqrt(variance),
    percentiles: new Map(percents.map(percent => [percent, percentileOf(sorted, percent)])),
  }
}

/** Between the two nearest of ascending values, in proportion. */
export function percentileOf(sorted: ArrayLike<number>, percent: number): number {
  const place = (percent / 100) * (sorted.length - 1)
  const low = Math.floor(place)
  const lower = sorted[low] as number
  const upper = sorted[Math.min(low + 1, sorted.length - 1)] as number
  return lower + (upper - lower) * (place - low)
}
