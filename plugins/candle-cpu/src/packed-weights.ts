// Packed weights on disk, where there is one: what could not be used is told of, what is missing is written for the next start.

import type { Runner } from '../native/native.js'
import type { Native } from './native.js'
import { unwrap } from './outcome.js'

/** Writes the weights that `runner` had to pack, while it runs. Never rejects: a model without such a file runs all the same. */
export async function keepPackedWeights(native: Native, runner: Runner): Promise<void> {
  const told: string[] = []
  try {
    const { problem } = unwrap(native.packedWeights(runner))
    if (problem !== undefined) told.push(`The weights were packed anew: ${problem}.`)
    unwrap(await native.writePackedWeights(runner))
  } catch (error) {
    told.push(`The packed weights are not kept for the next start: ${(error as Error).message}`)
  }
  if (told.length > 0) process.emitWarning(told.join(' '), 'QuireWarning')
}
