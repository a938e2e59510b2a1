// Whether a request can be served by this model: checked once, when it comes, with errors that say what was given, what is
// allowed and what to do.

import type { SamplingParams } from '../config/index.js'
import { InvalidArgumentError, PromptError } from '../errors.js'

/** What the model and the engine allow. */
export interface AdmissionLimits {
  readonly vocabSize: number
  readonly maxModelLen: number
  /** Most logprobs per token; -1 = the vocabulary. */
  readonly maxLogprobs: number
  readonly hasTokenizer: boolean
  /** Names of the logits processors that the engine has. */
  readonly processorNames: readonly string[]
}

/** The prompt's ids as the engine keeps them: a copy. @throws PromptError. */
export function checkPrompt(ids: ArrayLike<number>, { vocabSize, maxModelLen }: AdmissionLimits): Int32Array {
  if (ids.length === 0)
    throw new PromptError('ERR_PROMPT_EMPTY', 'The prompt is empty: it must have at least one token.')
  if (ids.length >= maxModelLen) {
    throw new PromptError(
      'ERR_PROMPT_TOO_LONG',
      `The prompt has ${ids.length} tokens, but this engine holds ${maxModelLen} in all and at least 1 must be generated. Shorten the prompt to ${maxModelLen - 1} tokens, or raise maxModelLen if the model allows it.`,
      { details: { given: ids.length, allowed: maxModelLen - 1 } },
    )
  }
  const copy = new Int32Array(ids.length)
  for (let index = 0; index < ids.length; index += 1) {
    const id = ids[index] as number
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new PromptError(
        'ERR_TOKEN_OUT_OF_RANGE',
        `Token ${index} of the prompt is ${String(id)}; ids of this model are integers from 0 to ${vocabSize - 1}.`,
        { details: { index, value: id, vocabSize } },
      )
    }
    copy[index] = id
  }
  return copy
}

/** @throws InvalidArgumentError naming the field. */
export function checkParams(params: SamplingParams, limits: AdmissionLimits): void {
  checkIds('stopTokenIds', params.stopTokenIds, limits)
  checkIds('allowedTokenIds', params.allowedTokenIds ?? [], limits)
  checkIds('logprobTokenIds', params.logprobTokenIds ?? [], limits)
  checkIds('logitBias', [...params.logitBias.keys()], limits)
  if (params.logprobTokenIds === undefined) checkLogprobs('logprobs', params.logprobs, limits)
  checkLogprobs('promptLogprobs', params.promptLogprobs, limits)
  checkProcessors(params.logitsProcessors ?? [], limits)
  if (limits.hasTokenizer) return
  if (params.structuredOutputs !== undefined) {
    throw new InvalidArgumentError(
      'structuredOutputs',
      'structuredOutputs needs a tokenizer, and this engine was made without one.',
    )
  }
  for (const field of ['stop', 'badWords'] as const) {
    if (params[field].length > 0) {
      throw new InvalidArgumentError(
        field,
        `${field} needs a tokenizer, and this engine was made without one.`,
        params[field],
      )
    }
  }
}

function checkProcessors(asked: readonly string[], { processorNames }: AdmissionLimits): void {
  const unknown = asked.find(name => !processorNames.includes(name))
  if (unknown === undefined) return
  const known = processorNames.length === 0 ? 'none' : processorNames.join(', ')
  throw new InvalidArgumentError(
    'logitsProcessors',
    `There is no logits processor \`${unknown}\`; this engine has ${known}.`,
    unknown,
  )
}

function checkIds(field: string, ids: readonly number[], { vocabSize }: AdmissionLimits): void {
  const wrong = ids.find(id => id < 0 || id >= vocabSize)
  if (wrong !== undefined) {
    throw new InvalidArgumentError(
      field,
      `${field} has the id ${wrong}; ids of this model are 0 to ${vocabSize - 1}.`,
      wrong,
    )
  }
}

function checkLogprobs(field: string, asked: number | undefined, { maxLogprobs, vocabSize }: AdmissionLimits): void {
  if (asked === undefined) return
  const count = asked === -1 ? vocabSize : asked
  const most = maxLogprobs === -1 ? vocabSize : maxLogprobs
  if (count > most) {
    throw new InvalidArgumentError(
      field,
      `${field} asks for ${count}, more than the ${most} that maxLogprobs allows.`,
      asked,
    )
  }
}
