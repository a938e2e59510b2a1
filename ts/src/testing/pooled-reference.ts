// What vectors of sequences are compared with: poolings of the reference model's hidden states, in float64.

import type { PoolingKind } from '../plugin/model-runner.js'
import type { Vector } from './vector-math.js'

export const poolingKinds: readonly PoolingKind[] = ['cls', 'last', 'mean', 'max', 'meanSqrtLen', 'weightedMean']

/** @param hidden `[tokens][hiddenSize]`, after the last norm */
export function pooled(hidden: readonly Vector[], kind: PoolingKind): Vector {
  const first = hidden[0] as Vector
  const last = hidden.at(-1) as Vector
  const summed = (weight: (index: number) => number, divisor: number): Vector =>
    first.map(
      (_, at) => hidden.reduce((total, state, index) => total + weight(index) * (state[at] as number), 0) / divisor,
    )
  const { length } = hidden
  switch (kind) {
    case 'cls':
      return first
    case 'last':
      return last
    case 'max':
      return first.map((_, at) => Math.max(...hidden.map(state => state[at] as number)))
    case 'mean':
      return summed(() => 1, length)
    case 'meanSqrtLen':
      return summed(() => 1, Math.sqrt(length))
    case 'weightedMean':
      return summed(index => index + 1, (length * (length + 1)) / 2)
  }
}
