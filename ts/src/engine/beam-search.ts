// Beam search above the engine: in each round every living beam asks for one token with its likeliest alternatives, and the
// best continuations of all live on. The prefix cache makes the rounds cheap; the engine knows nothing of beams.

import { check } from '../config/check.js'
import { SamplingParams } from '../config/index.js'
import { InvalidArgumentError } from '../errors.js'
import type { EngineRequest } from './engine-request.js'
import type { CompletionOutput, RankedToken, RequestOutput, TokenLogprob } from './request-output.js'
import type { RequestStream } from './request-stream.js'

/** How beams are searched, and how they are ranked. */
export interface BeamSearchOptions {
  /** Beams that live at once, and outputs at the end. */
  readonly beamWidth: number
  /** Most tokens of a beam. */
  readonly maxTokens: number
  /** Go on after the model's end-of-sequence ids. Default false. */
  readonly ignoreEos?: boolean
  /** Matters only where the engine reports processed logprobs. Default 0. */
  readonly temperature?: number
  /** Beams are ranked by cumulative logprob / length ^ this; prompt and output count, an end-of-sequence id does not. Default 1. */
  readonly lengthPenalty?: number
  /** Keep the end-of-sequence id that ended a beam. Default false. */
  readonly includeStopStrInOutput?: boolean
  /** Leave special tokens out of the text. Default true. */
  readonly skipSpecialTokens?: boolean
  /** Alternatives that outputs tell at each position; undefined: no logprobs. */
  readonly logprobs?: number | undefined
}

export interface BeamSearchRequest extends Omit<EngineRequest, 'params'> {
  readonly options: BeamSearchOptions
}

/** What it needs of an engine. */
export interface BeamSearchEngine {
  readonly eosTokenIds: readonly number[]
  readonly maxModelLen: number
  add(request: EngineRequest): RequestStream
  /** The text of ids; undefined without a tokenizer. */
  readonly decode: ((ids: ArrayLike<number>, skipSpecialTokens: boolean) => string) | undefined
}

interface Beam {
  /** Generated ids. */
  readonly tokenIds: readonly number[]
  readonly cumulativeLogprob: number
  readonly logprobs: readonly TokenLogprob[]
  /** Set when it has ended by itself; null for the first end-of-sequence id. */
  readonly stopReason?: number | null
}

/**
 * The `beamWidth` best continuations, best first.
 * @throws InvalidArgumentError, PromptError, and whatever ends one of its requests.
 */
export async function beamSearch(request: BeamSearchRequest, engine: BeamSearchEngine): Promise<RequestOutput> {
  const options = parseOptions(request.options)
  const promptTokenIds = Array.from(request.promptTokenIds)
  const rounds = Math.min(options.maxTokens, engine.maxModelLen - promptTokenIds.length)
  let living: readonly Beam[] = [{ tokenIds: [], cumulativeLogprob: 0, logprobs: [] }]
  const complete: Beam[] = []
  let first: RequestOutput | undefined
  for (let round = 0; round < Math.max(1, rounds) && living.length > 0; round += 1) {
    const outputs = await oneToken(request, options, promptTokenIds, living, round, engine)
    first ??= outputs[0]
    const grown = living.flatMap((beam, index) => continuations(beam, outputs[index] as RequestOutput, options, engine))
    complete.push(...grown.filter(ended))
    living = grown
      .filter(beam => !ended(beam))
      .toSorted((a, b) => b.cumulativeLogprob - a.cumulativeLogprob)
      .slice(0, options.beamWidth)
  }
  const score = ({ tokenIds, cumulativeLogprob, stopReason }: Beam) => {
    const kept = tokenIds.length - (stopReason !== undefined && options.includeStopStrInOutput ? 1 : 0)
    return cumulativeLogprob / (promptTokenIds.length + kept) ** options.lengthPenalty
  }
  const best = [...complete, ...living].toSorted((a, b) => score(b) - score(a)).slice(0, options.beamWidth)
  const { metrics, numCachedTokens, prompt } = first as RequestOutput
  return {
    requestId: request.requestId,
    prompt,
    promptTokenIds,
    promptLogprobs: null,
    outputs: best.map((beam, index) => toOutput(beam, index, promptTokenIds, options, engine)),
    finished: true,
    metrics: { ...metrics, lastTokenMs: performance.timeOrigin + performance.now() },
    numCachedTokens,
  }
}

type Options = ReturnType<typeof parseOptions>

function parseOptions(options: BeamSearchOptions) {
  return {
    beamWidth: check.integer('beamWidth', options.beamWidth, 1, 1024),
    maxTokens: check.integer('maxTokens', options.maxTokens, 1, 2 ** 31 - 1),
    ignoreEos: check.boolean('ignoreEos', options.ignoreEos ?? false),
    temperature: check.number('temperature', options.temperature ?? 0, { atLeast: 0, atMost: 2 }),
    lengthPenalty: check.number('lengthPenalty', options.lengthPenalty ?? 1),
    includeStopStrInOutput: check.boolean('includeStopStrInOutput', options.includeStopStrInOutput ?? false),
    skipSpecialTokens: check.boolean('skipSpecialTokens', options.skipSpecialTokens ?? true),
    logprobs: options.logprobs === undefined ? undefined : check.integer('logprobs', options.logprobs, 0, 2 ** 31 - 1),
  }
}

/** One token of every living beam: requests of one tick, so that they share a step. */
async function oneToken(
  request: BeamSearchRequest,
  { beamWidth, temperature, logprobs = 0 }: Options,
  promptTokenIds: readonly number[],
  living: readonly Beam[],
  round: number,
  { add }: BeamSearchEngine,
): Promise<readonly RequestOutput[]> {
  const { options: _, requestId, ...common } = request
  const params = new SamplingParams({
    temperature,
    maxTokens: 1,
    logprobs: Math.max(2 * beamWidth, logprobs),
    detokenize: false,
    outputKind: 'final',
  })
  const streams: RequestStream[] = []
  try {
    for (const [index, { tokenIds }] of living.entries()) {
      const ids = Int32Array.from([...promptTokenIds, ...tokenIds])
      streams.push(add({ ...common, requestId: `${requestId}-${round}-${index}`, promptTokenIds: ids, params }))
    }
    return await Promise.all(streams.map(stream => stream.final()))
  } catch (error) {
    for (const stream of streams) stream.abort()
    throw tooWide(error, beamWidth, logprobs)
  }
}

/** The engine speaks of logprobs; the caller asked for beams. */
function tooWide(error: unknown, beamWidth: number, logprobs: number): unknown {
  if (!(error instanceof InvalidArgumentError) || error.parameter !== 'logprobs' || logprobs > 2 * beamWidth)
    return error
  return new InvalidArgumentError(
    'beamWidth',
    `${beamWidth} beams need ${2 * beamWidth} logprobs per token, more than maxLogprobs allows.`,
    beamWidth,
  )
}

function continuations(
  beam: Beam,
  output: RequestOutput,
  { beamWidth, ignoreEos, includeStopStrInOutput, logprobs: shown }: Options,
  { eosTokenIds }: BeamSearchEngine,
): readonly Beam[] {
  const ranked = (output.outputs[0]?.logprobs?.[0]?.top ?? []).toSorted((a, b) => a.rank - b.rank)
  return ranked
    .slice(0, 2 * beamWidth)
    .filter(({ logprob }) => logprob > -Infinity)
    .map((token): Beam => {
      const eosIndex = ignoreEos ? -1 : eosTokenIds.indexOf(token.tokenId)
      const kept = eosIndex === -1 || includeStopStrInOutput
      return {
        tokenIds: kept ? [...beam.tokenIds, token.tokenId] : beam.tokenIds,
        cumulativeLogprob: beam.cumulativeLogprob + token.logprob,
        logprobs: kept && shown !== undefined ? [...beam.logprobs, withTop(token, ranked, shown)] : beam.logprobs,
        ...(eosIndex !== -1 && { stopReason: eosIndex === 0 ? null : token.tokenId }),
      }
    })
}

function withTop(token: RankedToken, ranked: readonly RankedToken[], shown: number): TokenLogprob {
  const others = ranked.slice(0, shown).filter(({ tokenId }) => tokenId !== token.tokenId)
  return { ...token, top: [token, ...others] }
}

function ended({ stopReason }: Beam): boolean {
  return stopReason !== undefined
}

function toOutput(
  { tokenIds, cumulativeLogprob, logprobs, stopReason }: Beam,
  index: number,
  promptTokenIds: readonly number[],
  { skipSpecialTokens, logprobs: shown }: Options,
  { decode }: BeamSearchEngine,
): CompletionOutput {
  return {
    index,
    text: decode === undefined ? '' : textAfter(promptTokenIds, tokenIds, ids => decode(ids, skipSpecialTokens)),
    tokenIds,
    cumulativeLogprob,
    logprobs: shown === undefined ? null : logprobs,
    finishReason: stopReason === undefined ? 'length' : 'stop',
    stopReason: stopReason ?? null,
  }
}

/** The text that ids add to a prompt: a tokenizer may write the first of them in another way when they stand alone. */
function textAfter(
  promptTokenIds: readonly number[],
  tokenIds: readonly number[],
  decode: (ids: readonly number[]) => string,
): string {
  const before = decode(promptTokenIds)
  const whole = decode([...promptTokenIds, ...tokenIds])
  return whole.startsWith(before) ? whole.slice(before.length) : decode(tokenIds)
}
