// Linear algebra over float64 vectors and row-major matrices, in plain loops: what the reference models are made of.

export type Vector = Float64Array<ArrayBuffer>

/** `[rows, columns]` times `[columns]`. */
export function multiply(matrix: Vector, vector: Vector): Vector {
  const columns = vector.length
  return Float64Array.from({ length: matrix.length / columns }, (_, row) => {
    return dot(matrix.subarray(row * columns, (row + 1) * columns), vector)
  })
}

export function dot(a: Vector, b: Vector): number {
  let total = 0
  for (let at = 0; at < a.length; at += 1) total += (a[at] as number) * (b[at] as number)
  return total
}

export function sum(a: Vector, b: Vector): Vector {
  return a.map((value, at) => value + (b[at] as number))
}

/** Heads of an attention: sizes, and how many query heads share a key. */
export interface Heads {
  /** Query heads. */
  readonly numHeads: number
  /** Heads of keys and values. */
  readonly numKvHeads: number
  /** Numbers of a head. */
  readonly headDim: number
}

/** One query over the keys and values of all positions up to its own: `[heads * headDim]`. */
export function attend(query: Vector, keys: readonly Vector[], values: readonly Vector[], heads: Heads): Vector {
  const { numHeads, numKvHeads, headDim } = heads
  const output = new Float64Array(numHeads * headDim)
  for (let head = 0; head < numHeads; head += 1) {
    const shared = Math.floor(head / (numHeads / numKvHeads)) * headDim
    const own = query.subarray(head * headDim, (head + 1) * headDim)
    const scores = keys.map(key => dot(own, key.subarray(shared, shared + headDim)) / Math.sqrt(headDim))
    const largest = Math.max(...scores)
    const shares = scores.map(score => Math.exp(score - largest))
    const total = shares.reduce((a, b) => a + b, 0)
    for (const [position, value] of values.entries()) {
      const share = (shares[position] as number) / total
      for (let d = 0; d < headDim; d += 1) {
        const at = head * headDim + d
        output[at] = (output[at] as number) + share * (value[shared + d] as number)
      }
    }
  }
  return output
}
