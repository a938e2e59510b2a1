// One request on its way in: what a caller gives the engine, and what the core gets of it.

import type { CoreRequest, RenderOptions } from '../binding/index.js'
import { check } from '../config/check.js'
import { type SamplingOptions, SamplingParams } from '../config/index.js'
import { type GrammarRequest, toGrammarRequest } from './grammar-request.js'
import type { ProcessorRequest } from './processor-registry.js'
import type { Prompt } from './prompt.js'
import type { ReasoningBudget } from './reasoning-budget.js'

/** A request as the engine takes it: ids, and parameters that are checked. */
export interface EngineRequest {
  /** Its name, which no other request that runs may have. */
  readonly requestId: string
  /** The prompt's text, handed through to the output. */
  readonly prompt?: string
  /** The prompt. */
  readonly promptTokenIds: ArrayLike<number>
  /** How it is continued. */
  readonly params: SamplingParams
  /** How long its outputs may reason. Default: as long as they do. */
  readonly reasoningBudget?: ReasoningBudget
  /** Lower runs first under the priority policy. Default 0. */
  readonly priority?: number
  /** Only requests with the same salt share cached blocks. */
  readonly cacheSalt?: string
  /** Ends the request with `ERR_ABORTED`. */
  readonly signal?: AbortSignal
}

/** A request in the caller's words: `Engine.generate` makes an `EngineRequest` of it. */
export interface GenerateRequest {
  /** Text, ids or messages. */
  readonly prompt: Prompt
  /** Default: the engine's `defaultSamplingParams`. `outputKind` says what comes: deltas, all so far, or the end alone. */
  readonly params?: SamplingParams | SamplingOptions
  /** Default: drawn. */
  readonly requestId?: string
  /** Lower runs first under the priority policy. Default 0. */
  readonly priority?: number
  /** How messages become the prompt. */
  readonly chat?: RenderOptions
}

/** What the loop gets of a request. */
export interface LoopRequest extends CoreRequest {
  readonly grammar?: GrammarRequest
  readonly processors?: ProcessorRequest
}

/** What the engine adds to a request. */
export interface RequestContext {
  readonly promptTokenIds: Int32Array
  /** Ids that end a text; the first is not named as a stop reason. */
  readonly eosTokenIds: readonly number[]
  /** Draws for requests without a seed. */
  readonly seed: bigint
  /** Order of arrival. */
  readonly arrival: number
  /** Ids of `params.badWords`. */
  readonly badWords: number[][]
  /** Names of all logits processors that there are. */
  readonly processorNames: readonly string[]
}

/** @throws InvalidArgumentError naming the field. */
export function toSamplingParams(params: SamplingParams | SamplingOptions): SamplingParams {
  return params instanceof SamplingParams ? params : new SamplingParams(check.object('params', params))
}

/** The request as the loop takes it. */
export function toLoopRequest(request: EngineRequest, context: RequestContext): LoopRequest {
  const { params, priority = 0, cacheSalt, reasoningBudget } = request
  const [eosTokenId, ...furtherEos] = context.eosTokenIds
  const names = processorsOf(params, context.processorNames)
  const hasProcessors = names.length > 0 || reasoningBudget !== undefined
  const grammar = toGrammarRequest(params, context.eosTokenIds, hasProcessors)
  return {
    promptTokenIds: context.promptTokenIds,
    ...(eosTokenId !== undefined && { eosTokenId }),
    stopTokenIds: params.ignoreEos ? [...params.stopTokenIds] : [...new Set([...params.stopTokenIds, ...furtherEos])],
    ignoreEos: params.ignoreEos,
    priority,
    arrival: context.arrival,
    ...(cacheSalt !== undefined && { cacheSalt }),
    skipReadingPrefixCache: params.skipReadingPrefixCache,
    ...(params.repetitionDetection !== undefined && { repetitionDetection: params.repetitionDetection }),
    sampling: { ...toSampling(params, context), hasProcessors },
    ...(grammar !== undefined && { grammar }),
    ...(hasProcessors && {
      processors: { names, args: params.extraArgs ?? {}, ...(reasoningBudget !== undefined && { reasoningBudget }) },
    }),
  }
}

/** Those that a request names; one that names none and has arguments means them all. */
function processorsOf({ logitsProcessors, extraArgs }: SamplingParams, all: readonly string[]): readonly string[] {
  return logitsProcessors ?? (extraArgs === undefined ? [] : all)
}

function toSampling(
  params: SamplingParams,
  { eosTokenIds, seed, badWords }: RequestContext,
): Omit<CoreRequest['sampling'], 'hasProcessors'> {
  const { maxTokens, logprobs, promptLogprobs, logprobTokenIds, allowedTokenIds } = params
  return {
    n: params.n,
    presencePenalty: params.presencePenalty,
    frequencyPenalty: params.frequencyPenalty,
    repetitionPenalty: params.repetitionPenalty,
    temperature: params.temperature,
    topP: params.topP,
    topK: params.topK,
    minP: params.minP,
    seed: params.seed ?? seed,
    minTokens: params.minTokens,
    stopAndEosIds: [...new Set([...params.stopTokenIds, ...eosTokenIds])],
    logitBiasIds: [...params.logitBias.keys()],
    logitBiases: [...params.logitBias.values()],
    badWords,
    hasGrammar: params.structuredOutputs !== undefined,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(logprobs !== undefined && { logprobs }),
    ...(promptLogprobs !== undefined && { promptLogprobs }),
    ...(logprobTokenIds !== undefined && { logprobTokenIds: [...logprobTokenIds] }),
    ...(allowedTokenIds !== undefined && { allowedTokenIds: [...allowedTokenIds] }),
  }
}
