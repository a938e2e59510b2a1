// Texts and ids to vectors, pairs of texts to scores: what a caller may ask, how it becomes a job of the loop, and what is made
// of the runner's numbers. It knows no thread and no step.

import type { PooledInput, PooledLimit } from '../binding/index.js'
import { check } from '../config/check.js'
import { InvalidArgumentError, NotSupportedError, PromptError } from '../errors.js'
import type { ModelInfo, PoolingInfo, PoolingKind } from '../plugin/model-runner.js'
import type { EmbedJob } from './embed-queue.js'
import { cutText, mostCharacters } from './text-length.js'

/** A text, or the ids of one. */
export type EmbedInput = string | readonly number[] | Int32Array

/** How inputs that are too long are cut. */
export interface PooledInputOptions {
  /**
   * Most tokens of an input; -1 = what the model takes. Default: -1 for encoders, whose recipe it is; the inputs of decoders
   * are not cut, and one that is too long is an error.
   */
  readonly truncatePromptTokens?: number
  /** The end at which tokens are dropped. Default: the tokenizer's, mostly 'right'. */
  readonly truncationSide?: 'left' | 'right'
  /** Ends the call with `ERR_ABORTED`. */
  readonly signal?: AbortSignal
}

/** How vectors are made. */
export interface EmbedOptions extends PooledInputOptions {
  /** Keeps so many numbers of each vector, the first ones; normalised again. For models that were trained for it (Matryoshka). */
  readonly dimensions?: number
  /** Default: as the checkpoint says, else true. */
  readonly normalize?: boolean
  /** Default: as the checkpoint says, else the last token of a decoder, the mean of an encoder. */
  readonly pooling?: PoolingKind
}

/** How pairs that are too long are cut, and a signal. */
export type ScoreOptions = PooledInputOptions

/** The vector of one input. */
export interface EmbeddingOutput {
  /** The vector: `[embeddingSize]`, or `[dimensions]`. */
  readonly embedding: Float32Array
  /** As the model got them. */
  readonly promptTokenIds: Int32Array
}

/** How well one pair of texts fits. */
export interface ScoreOutput {
  /** A cross-encoder's own; else the cosine of both vectors. */
  readonly score: number
  /** Tokens that were computed for it. */
  readonly numTokens: number
}

/** What makes ids of texts. */
export interface PooledTextSource {
  /** Characters that no token has more of. */
  readonly longestToken: number
  /** Where texts are cut if nobody says so. */
  readonly truncationSide: 'left' | 'right'
  encodePooled(
    texts: readonly string[],
    pairs: readonly string[],
    limit: PooledLimit | undefined,
    signal?: AbortSignal,
  ): Promise<PooledInput[]>
}

/** What the model and the engine allow. */
export interface PoolingLimits {
  readonly pooling: PoolingInfo
  readonly vocabSize: number
  /** Most tokens of an input. */
  readonly maxTokens: number
}

const poolingKinds: readonly PoolingKind[] = ['cls', 'last', 'mean', 'max', 'meanSqrtLen', 'weightedMean']

/** @throws NotSupportedError if the framework does not embed with this model. */
export function poolingLimits(
  { architecture, vocabSize, pooling, generates = true }: ModelInfo,
  maxModelLen: number,
): PoolingLimits {
  if (pooling === undefined) {
    throw new NotSupportedError(
      `The framework that runs this ${architecture} gives no embeddings and no scores; the embedded default does.`,
    )
  }
  return { pooling, vocabSize, maxTokens: generates ? Math.min(maxModelLen, pooling.maxTokens) : maxModelLen }
}

/** @throws InvalidArgumentError. */
export function checkInputOptions(options: PooledInputOptions, { maxTokens }: PoolingLimits): void {
  const { truncatePromptTokens, truncationSide, signal } = check.object('options', options)
  if (truncatePromptTokens !== undefined && truncatePromptTokens !== -1)
    check.integer('truncatePromptTokens', truncatePromptTokens, 1, maxTokens)
  if (truncationSide !== undefined) check.choice('truncationSide', truncationSide, ['left', 'right'])
  check.optional(check.signal, 'signal', signal)
}

/** @throws InvalidArgumentError; NotSupportedError for a model that gives scores only. */
export function checkEmbedOptions(options: EmbedOptions, limits: PoolingLimits): void {
  checkInputOptions(options, limits)
  const { dimensions, normalize, pooling } = options
  const { scores, embeddingSize, dimensions: trained } = limits.pooling
  if (scores)
    throw new NotSupportedError('This model is a cross-encoder: it scores pairs of texts and gives no embeddings.')
  if (dimensions !== undefined) {
    check.integer('dimensions', dimensions, 1, embeddingSize)
    if (trained.length > 0 && dimensions !== embeddingSize && !trained.includes(dimensions)) {
      const choices = [...new Set([...trained, embeddingSize])].join(', ')
      throw new InvalidArgumentError('dimensions', `dimensions must be one of ${choices} for this model.`, dimensions)
    }
  }
  check.optional(check.boolean, 'normalize', normalize)
  if (pooling !== undefined) check.choice('pooling', pooling, poolingKinds)
}

/** Ids of inputs, cut as the options say. @throws PromptError, TokenizerError, InvalidArgumentError. */
export async function prepareInputs(
  source: PooledTextSource | undefined,
  inputs: readonly EmbedInput[],
  options: PooledInputOptions,
  limits: PoolingLimits,
): Promise<PooledInput[]> {
  const limit = limitOf(options, limits)
  const texts = inputs.filter(input => typeof input === 'string')
  const encoded = texts.length === 0 ? [] : await encode(source, texts, [], options, limits)
  let next = 0
  return inputs.map((input, index) => {
    if (typeof input !== 'string') return checked(cut(idsOf(input, index, limits), limit), index, limits)
    next += 1
    return checked(encoded[next - 1] as PooledInput, index, limits)
  })
}

/** Ids of pairs of texts. @throws as `prepareInputs`. */
export async function preparePairs(
  source: PooledTextSource | undefined,
  pairs: readonly (readonly [string, string])[],
  options: PooledInputOptions,
  limits: PoolingLimits,
): Promise<PooledInput[]> {
  const [texts, others] = [pairs.map(([text]) => text), pairs.map(([, other]) => other)]
  const encoded = await encode(source, texts, others, options, limits)
  return encoded.map((input, index) => checked(input, index, limits))
}

/**
 * The pairs that two sides make: of equal length, or one text against all of the other side.
 * @throws InvalidArgumentError for anything that is not texts, and for sides that do not fit.
 */
export function pairsOf(
  texts: string | readonly string[],
  others: string | readonly string[],
): (readonly [string, string])[] {
  const [left, right] = [listOf('texts', texts), listOf('others', others)]
  if (left.length !== right.length && left.length !== 1) {
    throw new InvalidArgumentError(
      'others',
      `There are ${left.length} texts against ${right.length}: it must be one against all, or as many on both sides.`,
      right.length,
    )
  }
  return right.map((other, index) => [left[left.length === 1 ? 0 : index] as string, other])
}

function listOf(name: string, value: string | readonly string[]): readonly string[] {
  const list = typeof value === 'string' ? [value] : check.object(name, value)
  for (const text of list) check.string(name, text)
  if (list.length === 0) throw new InvalidArgumentError(name, `${name} must have at least one text.`, value)
  return list
}

/** Inputs end to end. */
export function toJob(inputs: readonly PooledInput[], output: EmbedJob['output']): EmbedJob {
  const startLoc = new Int32Array(inputs.length + 1)
  for (const [index, { tokenIds }] of inputs.entries())
    startLoc[index + 1] = (startLoc[index] as number) + tokenIds.length
  const tokenIds = new Int32Array(startLoc[inputs.length] as number)
  const tokenTypes = new Int32Array(tokenIds.length)
  for (const [index, input] of inputs.entries()) {
    tokenIds.set(input.tokenIds, startLoc[index])
    tokenTypes.set(input.tokenTypes, startLoc[index])
  }
  return { tokenIds, startLoc, output, ...(tokenTypes.some(type => type !== 0) && { tokenTypes }) }
}

/** The runner's vectors `[inputs, embeddingSize]`, cut and normalised. */
export function toVectors(
  raw: Float32Array,
  { dimensions, normalize }: EmbedOptions,
  { embeddingSize, normalizes }: PoolingInfo,
): Float32Array[] {
  const count = raw.length / embeddingSize
  return Array.from({ length: count }, (_, index) => {
    const start = index * embeddingSize
    const vector = raw.slice(start, start + (dimensions ?? embeddingSize))
    return (normalize ?? normalizes) ? normalized(vector) : vector
  })
}

/** The cosine of the angle between two vectors; 0 if one of them is zero. */
export function cosine(one: Float32Array, other: Float32Array): number {
  const product = dot(one, other)
  const lengths = Math.sqrt(dot(one, one)) * Math.sqrt(dot(other, other))
  return lengths === 0 ? 0 : product / lengths
}

function dot(one: Float32Array, other: Float32Array): number {
  let sum = 0
  for (let index = 0; index < one.length; index += 1) sum += (one[index] as number) * (other[index] as number)
  return sum
}

function normalized(vector: Float32Array): Float32Array {
  const length = Math.sqrt(dot(vector, vector))
  return length === 0 ? vector : vector.map(value => value / length)
}

function limitOf(
  { truncatePromptTokens, truncationSide }: PooledInputOptions,
  { pooling, maxTokens }: PoolingLimits,
): PooledLimit | undefined {
  const most = truncatePromptTokens ?? (pooling.takesParts ? undefined : -1)
  if (most === undefined) return undefined
  return {
    maxTokens: most === -1 ? maxTokens : most,
    ...(truncationSide !== undefined && { fromLeft: truncationSide === 'left' }),
  }
}

async function encode(
  source: PooledTextSource | undefined,
  texts: readonly string[],
  pairs: readonly string[],
  options: PooledInputOptions,
  limits: PoolingLimits,
): Promise<PooledInput[]> {
  const { pooling } = limits
  const limit = limitOf(options, limits)
  if (source === undefined) {
    throw new InvalidArgumentError('input', 'This engine was made without a tokenizer: inputs are token ids.')
  }
  const prepare = (text: string) => {
    const kept = limit === undefined ? text : shortened(text, limit, source)
    return pooling.lowercases ? kept.toLowerCase() : kept
  }
  return source.encodePooled(texts.map(prepare), pairs.map(prepare), limit, options.signal)
}

/** Of a text that is cut by tokens, what could be kept. */
function shortened(text: string, { maxTokens, fromLeft }: PooledLimit, source: PooledTextSource): string {
  const side = fromLeft === undefined ? source.truncationSide : fromLeft ? 'left' : 'right'
  return cutText(text, mostCharacters(maxTokens, source.longestToken), side)
}

function idsOf(input: unknown, index: number, { vocabSize }: PoolingLimits): PooledInput {
  if (!(input instanceof Int32Array) && !Array.isArray(input)) {
    throw new InvalidArgumentError('input', `Input ${index} must be a string or a list of token ids.`, input)
  }
  const wrong = input.findIndex(
    (id: unknown) => !Number.isInteger(id) || (id as number) < 0 || (id as number) >= vocabSize,
  )
  if (wrong !== -1) {
    throw new PromptError(
      'ERR_TOKEN_OUT_OF_RANGE',
      `Token ${wrong} of input ${index} is ${String(input[wrong])}; ids of this model are integers from 0 to ${vocabSize - 1}.`,
      { details: { index: wrong, value: input[wrong], vocabSize } },
    )
  }
  return { tokenIds: Int32Array.from(input as ArrayLike<number>), tokenTypes: new Int32Array(input.length) }
}

/** Ids have no special tokens that a cut must keep. */
function cut({ tokenIds, tokenTypes }: PooledInput, limit: PooledLimit | undefined): PooledInput {
  const most = limit?.maxTokens ?? tokenIds.length
  if (tokenIds.length <= most) return { tokenIds, tokenTypes }
  const first = limit?.fromLeft === true ? tokenIds.length - most : 0
  return { tokenIds: tokenIds.subarray(first, first + most), tokenTypes: tokenTypes.subarray(first, first + most) }
}

function checked(input: PooledInput, index: number, { maxTokens }: PoolingLimits): PooledInput {
  const { length } = input.tokenIds
  if (length === 0)
    throw new PromptError('ERR_PROMPT_EMPTY', `Input ${index} is empty: it must have at least one token.`)
  if (length > maxTokens) {
    throw new PromptError(
      'ERR_PROMPT_TOO_LONG',
      `Input ${index} has ${length} tokens, but this model takes ${maxTokens}. Shorten it, or set truncatePromptTokens.`,
      { details: { given: length, allowed: maxTokens } },
    )
  }
  return input
}
