// How one request is to be continued: vLLM's sampling parameters, in camelCase, checked once and frozen.

import { InvalidArgumentError } from '../errors.js'
import { check } from './check.js'
import { type ExtraArgs, parseExtraArgs, parseProcessorNames } from './logits-processors.js'
import { parseStructuredOutputs, type StructuredOutputs } from './structured-outputs.js'

/** 'cumulative': everything so far; 'delta': only what is new; 'final': one output at the end. */
export type OutputKind = 'cumulative' | 'delta' | 'final'

/** Ends an output that says the same again and again. */
export interface RepetitionDetection {
  /** Longest pattern in tokens; 0 = off. */
  readonly maxPatternSize: number
  /** Shortest pattern in tokens; 0 counts as 1. Default 0. */
  readonly minPatternSize?: number
  /** How often the pattern must stand in a row, at least 2. */
  readonly minCount: number
}

/** What a caller may give; every field has a default. */
export interface SamplingOptions {
  /** Continuations of one prompt. Default 1; must be 1 for greedy sampling. */
  readonly n?: number
  /** Subtracted from the logit of every id that the output has. In [-2, 2], default 0. */
  readonly presencePenalty?: number
  /** Subtracted once for each time that the output has the id. In [-2, 2], default 0. */
  readonly frequencyPenalty?: number
  /** Divides positive logits (multiplies negative ones) of ids in prompt and output. Above 0, default 1. */
  readonly repetitionPenalty?: number
  /** 0 = greedy. In [0, 2], default 1; values in (0, 0.01) count as 0.01. */
  readonly temperature?: number
  /** Keeps the most probable ids whose sum reaches this. In (0, 1], default 1. */
  readonly topP?: number
  /** Keeps the k most probable ids, ties included; 0 or -1 = all. Default 0. */
  readonly topK?: number
  /** Drops ids less probable than this share of the most probable. In [0, 1], default 0. */
  readonly minP?: number
  /** Makes the draw repeatable. A 64-bit integer; -1 = none. */
  readonly seed?: number | bigint
  /** Strings that end the output. */
  readonly stop?: string | readonly string[]
  /** Ids that end the output. */
  readonly stopTokenIds?: readonly number[]
  /** Go on after the model's end-of-sequence ids. Default false. */
  readonly ignoreEos?: boolean
  /** Most tokens to generate; null = up to the model's length. Default 16. */
  readonly maxTokens?: number | null
  /** Least tokens before a stop may end the output. Default 0. */
  readonly minTokens?: number
  /** Logprobs of the N likeliest ids per token, and of the chosen one; 0 = the chosen one only; -1 = all. */
  readonly logprobs?: number | boolean | null
  /** The same for the tokens of the prompt. */
  readonly promptLogprobs?: number | boolean | null
  /** Logprobs of exactly these ids instead of the likeliest; at most 128. */
  readonly logprobTokenIds?: readonly number[]
  /** Turn ids to text. Default true. */
  readonly detokenize?: boolean
  /** Leave special tokens out of the text. Default true. */
  readonly skipSpecialTokens?: boolean
  /** Put spaces between special tokens that are kept. Default true. */
  readonly spacesBetweenSpecialTokens?: boolean
  /** Keep the stop string at the end of the text. Default false. */
  readonly includeStopStrInOutput?: boolean
  /** Added to the logits of these ids; clamped to [-100, 100]. */
  readonly logitBias?: Readonly<Record<string | number, number>>
  /** Only these ids may be generated. */
  readonly allowedTokenIds?: readonly number[]
  /** Words that may not be generated. */
  readonly badWords?: readonly string[]
  /** What the output must be: JSON of a schema, a regular expression, one of some strings, a grammar. */
  readonly structuredOutputs?: StructuredOutputs
  /**
   * Names of the engine's logits processors that change this request's rows, in this order. Default: all of them if there are
   * `extraArgs`, else none.
   */
  readonly logitsProcessors?: readonly string[]
  /** Arguments for logits processors: plain data. */
  readonly extraArgs?: ExtraArgs
  /** Ends an output, with the finish reason `repetition`, that says the same again and again. Default: nothing does. */
  readonly repetitionDetection?: RepetitionDetection
  /** Compute the whole prompt even where its beginning is cached. Default: true exactly when `promptLogprobs` is set. */
  readonly skipReadingPrefixCache?: boolean
  /** Default 'cumulative'. `LLM.generate` returns final outputs whatever it is. */
  readonly outputKind?: OutputKind
}

const names: Readonly<Record<keyof SamplingOptions, true>> = {
  n: true,
  presencePenalty: true,
  frequencyPenalty: true,
  repetitionPenalty: true,
  temperature: true,
  topP: true,
  topK: true,
  minP: true,
  seed: true,
  stop: true,
  stopTokenIds: true,
  ignoreEos: true,
  maxTokens: true,
  minTokens: true,
  logprobs: true,
  promptLogprobs: true,
  logprobTokenIds: true,
  detokenize: true,
  skipSpecialTokens: true,
  spacesBetweenSpecialTokens: true,
  includeStopStrInOutput: true,
  logitBias: true,
  allowedTokenIds: true,
  badWords: true,
  structuredOutputs: true,
  logitsProcessors: true,
  extraArgs: true,
  repetitionDetection: true,
  skipReadingPrefixCache: true,
  outputKind: true,
}

const MAX_SEQUENCES = 16_384
const GREEDY_BELOW = 1e-5
const LEAST_TEMPERATURE = 0.01

/** Checked, normalised and frozen. @throws InvalidArgumentError naming the field and the value. */
export class SamplingParams {
  /** Continuations of one prompt. */
  readonly n: number
  /** Subtracted from the logit of every id that the output has. */
  readonly presencePenalty: number
  /** Subtracted once for each time that the output has the id. */
  readonly frequencyPenalty: number
  /** Divides positive logits, and multiplies negative ones, of ids in prompt and output. */
  readonly repetitionPenalty: number
  /** 0 = greedy. */
  readonly temperature: number
  /** Keeps the most probable ids whose sum reaches this; 1 = off. */
  readonly topP: number
  /** 0 = off. */
  readonly topK: number
  /** Drops ids less probable than this share of the most probable; 0 = off. */
  readonly minP: number
  /** Makes the draw repeatable; undefined = the engine's own seed decides. */
  readonly seed: bigint | undefined
  /** Strings that end the output. */
  readonly stop: readonly string[]
  /** Ids that end the output. */
  readonly stopTokenIds: readonly number[]
  /** Go on after the model's end-of-sequence ids. */
  readonly ignoreEos: boolean
  /** Most tokens to generate; undefined = up to the model's length. */
  readonly maxTokens: number | undefined
  /** Least tokens before a stop may end the output. */
  readonly minTokens: number
  /** undefined = off, -1 = the whole vocabulary. */
  readonly logprobs: number | undefined
  /** As `logprobs`, for the tokens of the prompt. */
  readonly promptLogprobs: number | undefined
  /** Logprobs of exactly these ids instead of the likeliest. */
  readonly logprobTokenIds: readonly number[] | undefined
  /** Turn ids to text. */
  readonly detokenize: boolean
  /** Leave special tokens out of the text. */
  readonly skipSpecialTokens: boolean
  /** Put spaces between special tokens that are kept. */
  readonly spacesBetweenSpecialTokens: boolean
  /** Keep the stop string at the end of the text. */
  readonly includeStopStrInOutput: boolean
  /** Added to the logits of these ids, by id; within [-100, 100]. */
  readonly logitBias: ReadonlyMap<number, number>
  /** Only these ids may be generated; undefined = all. */
  readonly allowedTokenIds: readonly number[] | undefined
  /** Words that may not be generated. */
  readonly badWords: readonly string[]
  /** What the output must be; undefined = anything. */
  readonly structuredOutputs: StructuredOutputs | undefined
  /** Names of the engine's logits processors that change this request's rows, in order. */
  readonly logitsProcessors: readonly string[] | undefined
  /** Arguments for logits processors. */
  readonly extraArgs: ExtraArgs | undefined
  /** What ends an output that says the same again and again; undefined = nothing. */
  readonly repetitionDetection: Required<RepetitionDetection> | undefined
  /** Compute the whole prompt even where its beginning is cached. */
  readonly skipReadingPrefixCache: boolean
  /** What outputs of a stream hold. */
  readonly outputKind: OutputKind
  /** What was given, its lists copied. */
  readonly #given: SamplingOptions

  constructor(options: SamplingOptions = {}) {
    for (const name of Object.keys(options)) {
      if (!Object.hasOwn(names, name)) {
        throw new InvalidArgumentError(
          name,
          `There is no sampling parameter \`${name}\``,
          (options as Record<string, unknown>)[name],
        )
      }
    }
    this.presencePenalty = check.number('presencePenalty', options.presencePenalty ?? 0, { atLeast: -2, atMost: 2 })
    this.frequencyPenalty = check.number('frequencyPenalty', options.frequencyPenalty ?? 0, { atLeast: -2, atMost: 2 })
    this.repetitionPenalty = check.number('repetitionPenalty', options.repetitionPenalty ?? 1, { above: 0 })
    const temperature = check.number('temperature', options.temperature ?? 1, { atLeast: 0, atMost: 2 })
    const greedy = temperature < GREEDY_BELOW
    this.temperature = greedy ? 0 : Math.max(temperature, LEAST_TEMPERATURE)
    const topP = check.number('topP', options.topP ?? 1, { above: 0, atMost: 1 })
    const topK = check.integer('topK', options.topK ?? 0, -1, 2 ** 31 - 1)
    const minP = check.number('minP', options.minP ?? 0, { atLeast: 0, atMost: 1 })
    this.topP = greedy ? 1 : topP
    this.topK = greedy || topK === -1 ? 0 : topK
    this.minP = greedy ? 0 : minP
    this.n = check.integer('n', options.n ?? 1, 1, MAX_SEQUENCES)
    if (greedy && this.n > 1) {
      throw new InvalidArgumentError('n', `n must be 1 when using greedy sampling, got ${this.n}.`, options.n)
    }
    this.seed = parseSeed(options.seed)
    this.maxTokens =
      options.maxTokens === null ? undefined : check.integer('maxTokens', options.maxTokens ?? 16, 1, 2 ** 31 - 1)
    this.minTokens = check.integer('minTokens', options.minTokens ?? 0, 0, 2 ** 31 - 1)
    if (this.maxTokens !== undefined && this.minTokens > this.maxTokens) {
      throw new InvalidArgumentError(
        'minTokens',
        `minTokens must be less than or equal to maxTokens=${this.maxTokens}, got ${this.minTokens}.`,
        options.minTokens,
      )
    }
    this.detokenize = check.boolean('detokenize', options.detokenize ?? true)
    this.stop = strings('stop', typeof options.stop === 'string' ? [options.stop] : (options.stop ?? []))
    if (this.stop.length > 0 && !this.detokenize) {
      throw new InvalidArgumentError('stop', 'Stop strings are only supported when detokenize is true.', options.stop)
    }
    this.badWords = strings('badWords', options.badWords ?? [])
    this.stopTokenIds = tokenIds('stopTokenIds', options.stopTokenIds ?? [])
    this.allowedTokenIds = check.optional(tokenIds, 'allowedTokenIds', options.allowedTokenIds)
    if (this.allowedTokenIds?.length === 0) {
      throw new InvalidArgumentError('allowedTokenIds', 'allowedTokenIds must not be empty.', options.allowedTokenIds)
    }
    this.structuredOutputs = check.optional(
      parseStructuredOutputs,
      'structuredOutputs',
      options.structuredOutputs ?? undefined,
    )
    this.logitsProcessors = check.optional(parseProcessorNames, 'logitsProcessors', options.logitsProcessors)
    this.extraArgs = check.optional(parseExtraArgs, 'extraArgs', options.extraArgs)
    this.repetitionDetection = check.optional(parseRepetition, 'repetitionDetection', options.repetitionDetection)
    this.logprobs = logprobCount('logprobs', options.logprobs)
    this.promptLogprobs = logprobCount('promptLogprobs', options.promptLogprobs)
    this.logprobTokenIds = check.optional(tokenIds, 'logprobTokenIds', options.logprobTokenIds)
    if (this.logprobTokenIds !== undefined) this.#checkLogprobTokenIds(this.logprobTokenIds)
    this.logitBias = parseLogitBias(options.logitBias ?? {})
    this.ignoreEos = check.boolean('ignoreEos', options.ignoreEos ?? false)
    this.skipSpecialTokens = check.boolean('skipSpecialTokens', options.skipSpecialTokens ?? true)
    this.spacesBetweenSpecialTokens = check.boolean(
      'spacesBetweenSpecialTokens',
      options.spacesBetweenSpecialTokens ?? true,
    )
    this.includeStopStrInOutput = check.boolean('includeStopStrInOutput', options.includeStopStrInOutput ?? false)
    this.skipReadingPrefixCache = check.boolean(
      'skipReadingPrefixCache',
      options.skipReadingPrefixCache ?? this.promptLogprobs !== undefined,
    )
    this.outputKind = check.choice('outputKind', options.outputKind ?? 'cumulative', ['cumulative', 'delta', 'final'])
    this.#given = this.#copyOf(options)
    Object.freeze(this)
  }

  /** True if every token is the likeliest one. */
  get greedy(): boolean {
    return this.temperature === 0
  }

  /** These parameters with some of them replaced; what was left to a default is again. */
  with(changes: SamplingOptions): SamplingParams {
    return new SamplingParams({ ...this.#given, ...changes })
  }

  /** Callers may change their objects afterwards. */
  #copyOf(options: SamplingOptions): SamplingOptions {
    const given: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(options)) {
      if (value === undefined) continue
      const isPlain = typeof value !== 'object' || value === null
      given[name] = isPlain ? value : name === 'logitBias' ? { ...value } : this[name as keyof SamplingOptions]
    }
    return given
  }

  #checkLogprobTokenIds(ids: readonly number[]): void {
    const most = 128
    if (ids.length === 0 || ids.length > most) {
      throw new InvalidArgumentError(
        'logprobTokenIds',
        `logprobTokenIds must have 1 to ${most} ids, got ${ids.length}.`,
        ids,
      )
    }
    if (this.logprobs !== undefined && this.logprobs !== ids.length) {
      throw new InvalidArgumentError(
        'logprobTokenIds',
        `logprobTokenIds has ${ids.length} ids but logprobs is ${this.logprobs}; leave logprobs out or make them equal.`,
        ids,
      )
    }
  }
}

function parseSeed(seed: unknown): bigint | undefined {
  if (seed === undefined || seed === -1 || seed === -1n) return undefined
  if (typeof seed !== 'bigint') check.safeInteger('seed', seed)
  const value = BigInt(seed as number | bigint)
  if (value < -(2n ** 63n) || value >= 2n ** 63n) {
    throw new InvalidArgumentError('seed', 'seed must fit into 64 bits.', seed)
  }
  return value
}

function parseRepetition(name: string, given: unknown): Required<RepetitionDetection> | undefined {
  const { maxPatternSize, minPatternSize = 0, minCount } = check.object(name, given) as Partial<RepetitionDetection>
  const most = check.integer(`${name}.maxPatternSize`, maxPatternSize, 0, 65_536)
  const least = check.integer(`${name}.minPatternSize`, minPatternSize, 0, 65_536)
  if (least > most) {
    const message = `${name}.minPatternSize must not be above ${name}.maxPatternSize=${most}, got ${least}.`
    throw new InvalidArgumentError(`${name}.minPatternSize`, message, least)
  }
  if (most === 0) return undefined
  const count = check.integer(`${name}.minCount`, minCount, 2, 65_536)
  return Object.freeze({ maxPatternSize: most, minPatternSize: least, minCount: count })
}

function strings(name: string, values: readonly unknown[]): readonly string[] {
  if (!Array.isArray(values)) throw new InvalidArgumentError(name, `${name} must be a list of strings.`, values)
  for (const value of values) {
    if (check.string(name, value) === '') {
      throw new InvalidArgumentError(name, `${name} cannot contain an empty string.`, values)
    }
  }
  return Object.freeze([...new Set(values as readonly string[])])
}

function tokenIds(name: string, values: unknown): readonly number[] {
  if (!Array.isArray(values)) throw new InvalidArgumentError(name, `${name} must be a list of token ids.`, values)
  for (const value of values) check.integer(name, value, 0, 2 ** 31 - 1)
  return Object.freeze([...new Set(values as readonly number[])])
}

function logprobCount(name: string, value: number | boolean | null | undefined): number | undefined {
  if (value === undefined || value === null || value === false) return undefined
  if (value === true) return 1
  if (typeof value === 'number' && value < -1) {
    throw new InvalidArgumentError(name, `${name} must be non-negative or -1, got ${value}.`, value)
  }
  return check.integer(name, value, -1, 2 ** 31 - 1)
}

function parseLogitBias(bias: unknown): ReadonlyMap<number, number> {
  if (typeof bias !== 'object' || bias === null || Array.isArray(bias) || bias instanceof Map) {
    throw new InvalidArgumentError('logitBias', 'logitBias must be an object of numbers by token id.', bias)
  }
  const parsed = new Map<number, number>()
  for (const [key, value] of Object.entries(bias)) {
    if (!/^\d{1,10}$/.test(key) || Number(key) >= 2 ** 31) {
      throw new InvalidArgumentError('logitBias', `logitBias contains a key that is not a token id: ${key}.`, key)
    }
    parsed.set(Number(key), Math.max(-100, Math.min(100, check.number('logitBias', value))))
  }
  return parsed
}
