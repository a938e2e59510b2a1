// Speculative decoding: several tokens of a sequence in one step, guessed first and verified then. Outputs are those of a run
// without.

import { InvalidArgumentError } from '../errors.js'
import { check } from './check.js'

/** What every way of guessing has. */
interface GuessOptions {
  /** Guesses of one sequence in a step, at most; fewer where they have been wrong. Default 8. */
  readonly numSpeculativeTokens?: number
  /**
   * Tokens of a step of running sequences, guesses included, beyond which nothing is guessed. Default 16: to about there a step of a
   * CPU takes as long as one with a single token.
   */
  readonly maxStepTokens?: number
}

/** What came after the last tokens when they stood in the prompt or the output before. */
export interface PromptLookupOptions extends GuessOptions {
  /** Guesses without a model. */
  readonly method: 'ngram'
  /** Tokens that must have stood there before, at least. Default: `promptLookupMax`, or 3. */
  readonly promptLookupMin?: number
  /** So many are looked for first. Default: `promptLookupMin`, or 5. */
  readonly promptLookupMax?: number
}

/** What a second model would say, which is quicker and has the same tokenizer. */
export interface DraftModelOptions extends GuessOptions {
  /** Guesses of a model. Default where `model` is given. */
  readonly method?: 'draft_model'
  /** The second model, as `model` of the engine: a folder, a GGUF file, or a name on the hub. It may be the same model, quantised. */
  readonly model: string
  /** Branch, tag or commit of a model on the hub. Default: main. */
  readonly revision?: string
  /** How its weights are kept, as `quantization` of the engine. Default 'auto'. */
  readonly quantization?: string
}

/** How tokens are guessed. Field by field as vLLM's `--speculative-config`. */
export type SpeculativeOptions = PromptLookupOptions | DraftModelOptions

/** Checked, and nothing open. */
export interface PromptLookupConfig {
  readonly method: 'ngram'
  readonly numSpeculativeTokens: number
  readonly maxStepTokens: number
  readonly promptLookupMin: number
  readonly promptLookupMax: number
}

/** Checked, and nothing open. */
export interface DraftModelConfig {
  readonly method: 'draft_model'
  readonly numSpeculativeTokens: number
  readonly maxStepTokens: number
  readonly path: string
  readonly quantization: string
}

export type SpeculativeConfig = PromptLookupConfig | DraftModelConfig

type Fields<T> = Readonly<Record<keyof Required<T>, true>>

const promptLookupFields: Fields<PromptLookupOptions> = {
  method: true,
  numSpeculativeTokens: true,
  maxStepTokens: true,
  promptLookupMin: true,
  promptLookupMax: true,
}

const draftModelFields: Fields<DraftModelOptions> = {
  method: true,
  numSpeculativeTokens: true,
  maxStepTokens: true,
  model: true,
  revision: true,
  quantization: true,
}

/** Limits of crates/core's `PromptLookup` and `DraftModel`. */
const MOST_DRAFTS = 256
const LONGEST_MATCH = 64
const MOST_STEP_TOKENS = 1 << 16

/** Whether a second model guesses. What is neither is found out by `parseSpeculative`. */
export function isDraftModel(options: SpeculativeOptions | undefined): options is DraftModelOptions {
  return options?.method === 'draft_model' || (options?.method === undefined && Object(options).model !== undefined)
}

/** `toPath` makes the whole path of a model. @throws InvalidArgumentError naming the field. */
export function parseSpeculative(
  name: string,
  given: SpeculativeOptions,
  toPath: (name: string, value: unknown) => string,
): SpeculativeConfig {
  const options = check.object(name, given)
  const fields = isDraftModel(options) ? draftModelFields : promptLookupFields
  const unknown = Object.keys(options).find(field => !Object.hasOwn(fields, field))
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`${name}.${unknown}`, `There is no field \`${unknown}\` in ${name}.`, unknown)
  }
  const { numSpeculativeTokens = 8, maxStepTokens = 16 } = options
  const guesses = {
    numSpeculativeTokens: check.integer(`${name}.numSpeculativeTokens`, numSpeculativeTokens, 1, MOST_DRAFTS),
    maxStepTokens: check.integer(`${name}.maxStepTokens`, maxStepTokens, 1, MOST_STEP_TOKENS),
  }
  if (isDraftModel(options)) {
    check.optional(check.string, `${name}.revision`, options.revision)
    return Object.freeze({
      method: 'draft_model',
      ...guesses,
      path: toPath(`${name}.model`, options.model),
      quantization: check.string(`${name}.quantization`, options.quantization ?? 'auto'),
    })
  }
  check.choice(`${name}.method`, options.method, ['ngram', 'draft_model'])
  const { promptLookupMin, promptLookupMax } = options
  const most = check.integer(`${name}.promptLookupMax`, promptLookupMax ?? promptLookupMin ?? 5, 1, LONGEST_MATCH)
  const least = check.integer(`${name}.promptLookupMin`, promptLookupMin ?? promptLookupMax ?? 3, 1, most)
  return Object.freeze({ method: 'ngram', ...guesses, promptLookupMin: least, promptLookupMax: most })
}
