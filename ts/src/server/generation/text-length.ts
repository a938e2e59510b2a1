// Texts that cannot fit into the model, told by their characters: tokenizing megabytes takes seconds and gigabytes, and the
// requests beside would wait.

import { cutText, type Engine, mostCharacters } from '../../engine/index.js'
import { RequestError } from '../request-error.js'
import type { Truncation } from './prompt-tokens.js'

/** Characters of a text that is tokenized for its own sake, whatever the model takes. */
const MOST_TOKENIZED = 1 << 22
/** Characters of all texts of one request: what the pairs of one long query would have. */
const MOST_IN_ALL = 1 << 26

type TextSource = Pick<Engine, 'hasTokenizer' | 'longestToken' | 'maxModelLen'>

/** @throws RequestError for a text with more characters than all tokens that the model takes could have. */
export function refuseHopelessTexts(
  texts: readonly string[],
  promptParam: string,
  { engine }: { readonly engine: TextSource },
): void {
  const longest = texts.reduce((most, { length }) => Math.max(most, length), 0)
  const { maxModelLen } = engine
  const most = mostOf(engine)
  if (longest <= most) return
  throw RequestError.contextLengthExceeded(
    `This model's maximum context length is ${maxModelLen} tokens. However, your prompt contains ${longest} characters (more than ${most} characters, which is the upper bound for ${maxModelLen} input tokens). Please reduce the length of the input prompt.`,
    promptParam,
  )
}

/** Of a text whose tokens are cut, what could be kept. */
export function keptText(text: string, { tokens, side = 'left' }: Truncation, engine: TextSource): string {
  const most = tokens === -1 ? engine.maxModelLen : Math.min(tokens, engine.maxModelLen)
  return engine.hasTokenizer ? cutText(text, mostCharacters(most, engine.longestToken), side) : text
}

/** @throws RequestError for a text that takes too long to tokenize, though its ids may be any number. */
export function refuseEndlessText(text: string, param: string, { engine }: { readonly engine: TextSource }): void {
  const most = Math.max(MOST_TOKENIZED, mostOf(engine))
  if (text.length <= most) return
  throw RequestError.badRequest(
    `${param} has ${text.length} characters, more than the ${most} that are tokenized at once: send it in parts.`,
    param,
  )
}

/** @throws RequestError for pairs that repeat a long text too often: each is tokenized anew. */
export function refuseEndlessPairs(
  pairs: readonly (readonly [string, string])[],
  param: string,
  { engine }: { readonly engine: TextSource },
): void {
  const most = mostOf(engine)
  const length = pairs.reduce((sum, [one, other]) => sum + Math.min(most, one.length) + Math.min(most, other.length), 0)
  if (length <= MOST_IN_ALL) return
  throw RequestError.badRequest(
    `The pairs have ${length} characters in all, more than the ${MOST_IN_ALL} that one request may have.`,
    param,
  )
}

function mostOf(engine: TextSource): number {
  return engine.hasTokenizer ? mostCharacters(engine.maxModelLen, engine.longestToken) : Number.POSITIVE_INFINITY
}
