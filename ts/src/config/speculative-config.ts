// Speculative decoding: several tokens of a sequence in one step, guessed first and verified then. Outputs are those of a run
// without.

import { InvalidArgumentError } from '../errors.js'
import { check } from './check.js'

/** How tokens are guessed. Field by field as vLLM's `--speculative-config`. */
export interface SpeculativeOptions {
  /** 'ngram': what came after the last tokens when they stood in the prompt or the output before. */
  readonly method: 'ngram'
  /** Guesses of one sequence in a step, at most; fewer where they have been wrong. Default 8. */
  readonly numSpeculativeTokens?: number
  /** Tokens that must have stood there before, at least. Default: `promptLookupMax`, or 3. */
  readonly promptLookupMin?: number
  /** So many are looked for first. Default: `promptLookupMin`, or 5. */
  readonly promptLookupMax?: number
  /**
   * Tokens of a step of running sequences, guesses included, beyond which nothing is guessed. Default 16: to about there a step of a
   * CPU takes as long as one with a single token.
   */
  readonly maxStepTokens?: number
}

/** Checked, and nothing open. */
export interface SpeculativeConfig {
  readonly numSpeculativeTokens: number
  readonly promptLookupMin: number
  readonly promptLookupMax: number
  readonly maxStepTokens: number
}

const fields: Readonly<Record<keyof SpeculativeOptions, true>> = {
  method: true,
  numSpeculativeTokens: true,
  promptLookupMin: true,
  promptLookupMax: true,
  maxStepTokens: true,
}

/** Limits of crates/core's `PromptLookup`. */
const MOST_DRAFTS = 256
const LONGEST_MATCH = 64
const MOST_STEP_TOKENS = 1 << 16

/** @throws InvalidArgumentError naming the field. */
export function parseSpeculative(name: string, given: SpeculativeOptions): SpeculativeConfig {
  const options = check.object(name, given)
  const unknown = Object.keys(options).find(field => !Object.hasOwn(fields, field))
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`${name}.${unknown}`, `There is no field \`${unknown}\` in ${name}.`, unknown)
  }
  check.choice(`${name}.method`, options.method, ['ngram'])
  const { promptLookupMin, promptLookupMax } = options
  const most = check.integer(`${name}.promptLookupMax`, promptLookupMax ?? promptLookupMin ?? 5, 1, LONGEST_MATCH)
  const least = check.integer(`${name}.promptLookupMin`, promptLookupMin ?? promptLookupMax ?? 3, 1, most)
  return Object.freeze({
    numSpeculativeTokens: check.integer(
      `${name}.numSpeculativeTokens`,
      options.numSpeculativeTokens ?? 8,
      1,
      MOST_DRAFTS,
    ),
    promptLookupMin: least,
    promptLookupMax: most,
    maxStepTokens: check.integer(`${name}.maxStepTokens`, options.maxStepTokens ?? 16, 1, MOST_STEP_TOKENS),
  })
}
