// Prompts for tiny models, and the comparison of what a runner says with what the reference says.

import { AssertionError } from 'node:assert/strict'
import { skip } from './conformance-case.js'
import { largestIndex } from './model-session.js'
import { largestSize, type ReferenceModel } from './reference-model.js'
import { seededRandom } from './seeded-random.js'

/** `length` ids that the seed gives. */
export function randomTokens(seed: number, length: number, vocabSize: number): number[] {
  const random = seededRandom(seed)
  return Array.from({ length }, () => Math.floor(random() * vocabSize))
}

/**
 * Logits must be the expected ones up to `tolerance` times the largest of their row. Gives the largest error, in the same
 * measure.
 */
export function expectLogits(
  found: readonly ArrayLike<number>[],
  expected: readonly ArrayLike<number>[],
  tolerance: number,
  what: string,
): number {
  if (found.length !== expected.length) {
    throw new AssertionError({ message: `${what}: got ${found.length} rows of logits, expected ${expected.length}` })
  }
  let worst = 0
  for (const [row, right] of expected.entries()) {
    const given = found[row] as ArrayLike<number>
    const errors = Array.from(right, (value, index) => Math.abs((given[index] as number) - value))
    const index = largestIndex(errors)
    const error = (errors[index] as number) / largestSize(right)
    if (!(error <= tolerance)) {
      throw new AssertionError({
        message: `${what}, row ${row}: logit ${index} is ${given[index]}, expected ${right[index]} (an error of ${show(error)} of the largest logit; ${show(tolerance)} is allowed)`,
      })
    }
    worst = Math.max(worst, error)
  }
  return worst
}

/** An error as the report has it. */
export function show(error: number): string {
  return error.toExponential(1)
}

/** A prompt after which each best token leads clearly, and those tokens. */
export interface ClearPrompt {
  readonly tokenIds: readonly number[]
  readonly greedyTokenIds: readonly number[]
}

const MOST_ATTEMPTS = 400

/** Prompts of the given lengths whose next tokens no error within `tolerance` can change. */
export function clearPrompts(
  reference: ReferenceModel,
  lengths: readonly number[],
  options: { readonly count: number; readonly vocabSize: number; readonly tolerance: number },
): ClearPrompt[] {
  const { count, vocabSize, tolerance } = options
  let seed = 0
  return lengths.map(length => {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
      seed += 1
      const tokenIds = randomTokens(seed, length, vocabSize)
      const { tokenIds: greedyTokenIds, margin } = reference.greedy(tokenIds, count)
      if (margin > 2 * tolerance) return { tokenIds, greedyTokenIds }
    }
    return skip(`no prompt whose tokens are sure within an error of ${show(tolerance)}`)
  })
}
