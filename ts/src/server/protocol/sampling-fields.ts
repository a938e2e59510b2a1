// The sampling parameters as completions and chats spell them, OpenAI's and vLLM's, and what the engine gets of them.

import { z } from 'zod'
import type { SamplingOptions } from '../../config/index.js'
import { list, tokenIds } from './list-field.js'
import { anyObject, object } from './object-field.js'
import { defaulted, defined, optional } from './optional-field.js'

const INT32_MAX = 2 ** 31 - 1

const count = z.int().min(0).max(INT32_MAX)
const MOST_IDS = 1_000_000
/** Vocabularies have about as many ids. */
const MOST_BIASES = 1 << 18
/** Texts that every token is compared with. */
const MOST_TEXTS = 1024
const MOST_CHARACTERS = 16_384
/** Of all texts of one field: words that are avoided are tokenized before anybody else is served. */
const MOST_CHARACTERS_IN_ALL = 65_536
const logprobCount = z.int().min(-1).max(INT32_MAX)
const flag = z.boolean()

/**
 * A 64-bit integer; JSON numbers beyond 2^53 have lost digits already, and are taken as they came. The greatest one, 2^63 - 1,
 * comes as 2^63.
 */
const seed = z
  .number()
  .refine(value => Number.isInteger(value) && value >= -(2 ** 63) && value <= 2 ** 63, {
    error: 'seed must be an integer of 64 bits.',
  })
  .meta({ type: 'integer', minimum: -(2 ** 63), maximum: 2 ** 63 - 1 })

function toSeed(value: number): bigint {
  return value === 2 ** 63 ? 2n ** 63n - 1n : BigInt(value)
}

/** -1 = no budget. */
const thinkingBudget = z.int().min(-1).max(INT32_MAX)

const stopText = z.string().max(MOST_CHARACTERS)
const nonEmpty = z.string().min(1).max(MOST_CHARACTERS)

/** Not more texts than can be looked for. */
function texts(element: z.ZodType<string, string>) {
  return list(element, { max: MOST_TEXTS }).refine(
    given => given.reduce((sum, { length }) => sum + length, 0) <= MOST_CHARACTERS_IN_ALL,
    { error: `must have at most ${MOST_CHARACTERS_IN_ALL} characters in all`, params: { field: true } },
  )
}

/** Keys are checked where all of the parameters are. */
const logitBias: z.ZodType<Record<string, number>, unknown> = z
  .unknown()
  .transform((value, context): Record<string, number> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      context.issues.push({ code: 'invalid_type', expected: 'object', input: value })
      return z.NEVER
    }
    const biases = value as Readonly<Record<string, unknown>>
    const ids = Object.keys(biases)
    if (ids.length > MOST_BIASES) {
      const message = `must have at most ${MOST_BIASES} ids, got ${ids.length}`
      context.issues.push({ code: 'custom', input: undefined, message, params: { field: true } })
      return z.NEVER
    }
    const wrong = ids.find(id => typeof biases[id] !== 'number')
    if (wrong === undefined) return biases as Record<string, number>
    context.issues.push({ code: 'invalid_type', expected: 'number', path: [wrong], input: biases[wrong] })
    return z.NEVER
  })
  .meta({ type: 'object', additionalProperties: { type: 'number' } })

const repetitionDetection = object(
  z.looseObject({
    max_pattern_size: defaulted(count, 0),
    min_pattern_size: defaulted(count, 0),
    min_count: defaulted(count, 0),
  }),
)

/** Fields that mean the same in completions and chats. */
export const samplingFields = {
  n: optional(z.int().min(1).max(16_384)),
  best_of: optional(z.int().min(1).max(16_384)),
  temperature: optional(z.number().min(0).max(2)),
  top_p: optional(z.number().gt(0).max(1)),
  top_k: optional(z.int().min(-1).max(INT32_MAX)),
  min_p: optional(z.number().min(0).max(1)),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  repetition_penalty: optional(z.number().gt(0)),
  seed: optional(seed),
  stop: optional(z.union([stopText, texts(stopText)], { error: 'a string or a list of strings' })),
  stop_token_ids: optional(tokenIds({ max: MOST_IDS })),
  include_stop_str_in_output: optional(flag),
  ignore_eos: optional(flag),
  min_tokens: optional(count),
  skip_special_tokens: optional(flag),
  spaces_between_special_tokens: optional(flag),
  logit_bias: optional(logitBias),
  allowed_token_ids: optional(tokenIds({ max: MOST_IDS })),
  bad_words: optional(texts(nonEmpty)),
  prompt_logprobs: optional(logprobCount),
  logprob_token_ids: optional(tokenIds({ min: 1, max: 128 })),
  use_beam_search: defaulted(flag, false),
  length_penalty: defaulted(z.number(), 1),
  repetition_detection: optional(repetitionDetection),
  thinking_token_budget: optional(thinkingBudget),
  logits_processors: optional(list(nonEmpty, { max: 64 })),
  vllm_xargs: optional(anyObject()),
}

const samplingObject = z.object(samplingFields)

export type SamplingFields = z.output<typeof samplingObject>

/** Tokens that the reasoning may have; undefined = as many as it takes. */
export function toThinkingBudget({
  thinking_token_budget: tokens,
}: Pick<SamplingFields, 'thinking_token_budget'>): number | undefined {
  return tokens === -1 ? undefined : tokens
}

/** What of the fields goes to the engine as it is. Lengths and logprobs differ between endpoints. */
export function toSamplingOptions(fields: SamplingFields): SamplingOptions {
  return defined({
    n: fields.n,
    temperature: fields.temperature,
    topP: fields.top_p,
    topK: fields.top_k,
    minP: fields.min_p,
    presencePenalty: fields.presence_penalty,
    frequencyPenalty: fields.frequency_penalty,
    repetitionPenalty: fields.repetition_penalty,
    seed: fields.seed === undefined ? undefined : toSeed(fields.seed),
    stop: fields.stop,
    stopTokenIds: fields.stop_token_ids,
    includeStopStrInOutput: fields.include_stop_str_in_output,
    ignoreEos: fields.ignore_eos,
    minTokens: fields.min_tokens,
    skipSpecialTokens: fields.skip_special_tokens,
    spacesBetweenSpecialTokens: fields.spaces_between_special_tokens,
    logitBias: fields.logit_bias,
    allowedTokenIds: fields.allowed_token_ids,
    badWords: fields.bad_words,
    promptLogprobs: fields.prompt_logprobs,
    logprobTokenIds: fields.logprob_token_ids,
    logitsProcessors: fields.logits_processors,
    // Their values are checked where all of the parameters are.
    extraArgs: fields.vllm_xargs as SamplingOptions['extraArgs'],
    repetitionDetection: fields.repetition_detection && {
      maxPatternSize: fields.repetition_detection.max_pattern_size,
      minPatternSize: fields.repetition_detection.min_pattern_size,
      minCount: fields.repetition_detection.min_count,
    },
  })
}
