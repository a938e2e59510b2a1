// Draws that are the same on every machine for one seed: sfc32, by Chris Doty-Humphrey (public domain).

/** Steps after seeding until the state is well mixed. */
const WARM_UP = 12

export class RandomSource {
  readonly #state: Int32Array

  constructor(seed: number) {
    this.#state = Int32Array.of(0, seed | 0, Math.floor(seed / 2 ** 32) | 0, 1)
    for (let step = 0; step < WARM_UP; step += 1) this.uniform()
  }

  /** From [0, 1). */
  uniform(): number {
    const [a, b, c, counter] = this.#state as unknown as [number, number, number, number]
    const sum = (((a + b) | 0) + counter) | 0
    this.#state.set([b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (counter + 1) | 0])
    return (sum >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`, both included. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.uniform() * (most - least + 1))
  }

  /** From the normal distribution, by Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
  }

  /** From the gamma distribution, by Marsaglia and Tsang (2000). */
  gamma(shape: number, scale: number): number {
    if (shape < 1) return this.gamma(shape + 1, scale) * (1 - this.uniform()) ** (1 / shape)
    const d = shape - 1 / 3
    const c = 1 / Math.sqrt(9 * d)
    for (;;) {
      const x = this.normal()
      const v = (1 + c * x) ** 3
      if (v <= 0) continue
      if (Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v * scale
    }
  }

  /** The same values in another order. */
  shuffled<T>(values: readonly T[]): T[] {
    const result = [...values]
    for (let index = result.length - 1; index > 0; index -= 1) {
      const other = this.integer(0, index)
      const moved = result[index] as T
      result[index] = result[other] as T
      result[other] = moved
    }
    return result
  }

  choice<T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)] as T
  }
}
