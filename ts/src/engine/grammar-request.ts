// What a request's grammar is to the loop: its source as the native side reads it, and how its sequences follow it.

import type { FollowOptions, GrammarSource } from '../binding/index.js'
import type { SamplingParams, StructuredOutputs } from '../config/index.js'

/** Data: it crosses to the thread of the loop. */
export interface GrammarRequest {
  readonly source: GrammarSource
  readonly follow: FollowOptions
}

/** The grammar that a request asks for, if it does. */
export function toGrammarRequest(
  params: SamplingParams,
  eosTokenIds: readonly number[],
  hasProcessors: boolean,
): GrammarRequest | undefined {
  const { structuredOutputs, ignoreEos } = params
  if (structuredOutputs === undefined) return undefined
  const [eosTokenId] = eosTokenIds
  // Below `minTokens` the end token ends nothing; the grammar's end does.
  const saysEnd = eosTokenId !== undefined && !ignoreEos && params.minTokens === 0
  return {
    source: toSource(structuredOutputs),
    follow: {
      forces: forces(params) && !hasProcessors,
      ...(saysEnd && { endId: eosTokenId }),
      drawsEnd: wantsLogprobs(params) && !forbids(params) && !hasProcessors,
      stopIds: [...params.stopTokenIds, ...(ignoreEos ? [] : eosTokenIds)],
    },
  }
}

/** Whether forced tokens may be taken undrawn: nobody asks for their logprobs, and no other rule could forbid them. */
function forces(params: SamplingParams): boolean {
  return !wantsLogprobs(params) && !forbids(params) && params.minTokens === 0
}

function forbids({ allowedTokenIds, badWords }: SamplingParams): boolean {
  return allowedTokenIds !== undefined || badWords.length > 0
}

function wantsLogprobs({ logprobs, logprobTokenIds }: SamplingParams): boolean {
  return logprobs !== undefined || logprobTokenIds !== undefined
}

function toSource(structured: StructuredOutputs): GrammarSource {
  const { disableAnyWhitespace = false, disableAdditionalProperties = false, whitespacePattern } = structured
  return {
    ...kindAndText(structured),
    disableAnyWhitespace,
    disableAdditionalProperties,
    ...(whitespacePattern !== undefined && { whitespacePattern }),
  }
}

function kindAndText(structured: StructuredOutputs): Pick<GrammarSource, 'kind' | 'text'> {
  const { json, regex, choice, grammar, structuralTag } = structured
  if (json !== undefined) return { kind: 'json', text: asText(json) }
  if (regex !== undefined) return { kind: 'regex', text: regex }
  if (choice !== undefined) return { kind: 'choice', text: JSON.stringify(choice) }
  if (grammar !== undefined) return { kind: 'grammar', text: grammar }
  if (structuralTag !== undefined) return { kind: 'structuralTag', text: asText(structuralTag) }
  return { kind: 'jsonObject', text: '' }
}

function asText(value: object | boolean | string): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
