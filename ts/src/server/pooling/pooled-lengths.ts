// Which texts of embeddings, scores and rankings are refused before they are tokenized.

import type { EmbedInput } from '../../engine/index.js'
import { refuseEndlessPairs, refuseHopelessTexts } from '../generation/text-length.js'
import type { PooledTruncation } from '../protocol/pooling-fields.js'
import { aboutField } from '../request-error.js'
import type { ServerContext } from '../server-context.js'

/** @throws RequestError for a text that cannot fit and is not cut. */
export function refuseLongInputs(
  inputs: readonly EmbedInput[],
  truncation: PooledTruncation,
  context: ServerContext,
): void {
  if (isCut(truncation, context)) return
  const texts = inputs.filter(input => typeof input === 'string')
  refuseHopelessTexts(texts, 'input', context)
}

/** @throws RequestError for pairs of a text that cannot fit and is not cut, and for pairs that are too much in all. */
export function refuseLongPairs(
  pairs: readonly (readonly [string, string])[],
  truncation: PooledTruncation,
  param: string,
  context: ServerContext,
): void {
  if (!isCut(truncation, context)) refuseHopelessTexts(pairs.flat(), param, context)
  refuseEndlessPairs(pairs, param, context)
}

/** Throws on what the engine says of an input, as about the field that has it, unless the engine names another. */
export function refuse(param: string): (thrown: unknown) => never {
  return thrown => {
    const { code } = thrown as { code?: unknown }
    throw code === 'ERR_PROMPT_EMPTY' || code === 'ERR_PROMPT_TOO_LONG' || code === 'ERR_TOKEN_OUT_OF_RANGE'
      ? aboutField(thrown, param)
      : thrown
  }
}

/** As `EmbedOptions.truncatePromptTokens` says: encoders cut what is too long unless told otherwise. */
function isCut({ truncatePromptTokens }: PooledTruncation, { engine }: ServerContext): boolean {
  return truncatePromptTokens !== undefined || engine.modelInfo.pooling?.takesParts !== true
}
