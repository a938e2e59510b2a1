// Beam search for endpoints: its rounds go into the engine as other requests do.

import type { SamplingParams } from '../../config/index.js'
import { type BeamSearchOptions, beamSearch, type EngineRequest, type RequestOutput } from '../../engine/index.js'
import { InvalidArgumentError } from '../../errors.js'
import { RequestError } from '../request-error.js'
import type { RouteRequest } from '../route.js'
import type { GenerationContext } from '../server-context.js'

export interface BeamRun extends Omit<EngineRequest, 'params'> {
  readonly options: BeamSearchOptions
}

/** What of sampling parameters means something to beams. */
export function beamOptions(params: SamplingParams, beamWidth: number, lengthPenalty: number): BeamSearchOptions {
  const { maxTokens, ignoreEos, temperature, includeStopStrInOutput, skipSpecialTokens, logprobs } = params
  return {
    beamWidth,
    lengthPenalty,
    maxTokens: maxTokens as number,
    ignoreEos,
    temperature,
    includeStopStrInOutput,
    skipSpecialTokens,
    logprobs,
  }
}

/** @throws RequestError, and whatever ends one of its requests. */
export async function runBeams(run: BeamRun, route: RouteRequest, context: GenerationContext): Promise<RequestOutput> {
  const { engine } = context
  try {
    return await beamSearch(run, {
      eosTokenIds: engine.modelInfo.eosTokenIds,
      maxModelLen: engine.maxModelLen,
      add: request => context.submit(request, route),
      decode: engine.hasTokenizer ? (ids, skipSpecialTokens) => engine.decode(ids, skipSpecialTokens) : undefined,
    })
  } catch (error) {
    if (!(error instanceof InvalidArgumentError) || error.parameter !== 'beamWidth') throw error
    throw RequestError.badRequest(`n is the number of beams here: ${error.message}`, 'n')
  }
}
