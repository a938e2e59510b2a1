// Texts that cannot fit into the model, told by their characters: tokenizing megabytes takes seconds and gigabytes, and the
// requests beside would wait.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Engine } from '../../engine/index.js'
import { RequestError } from '../request-error.js'
import type { ServerContext } from '../server-context.js'

/** Shorter texts are tokenized whatever the model takes: it costs less than a look at the vocabulary. */
const ALWAYS_TOKENIZED = 1 << 16
/** Normalizers may make one character of several, such as of a letter and its marks. */
const MOST_NORMALIZED_TO_ONE = 4
/** Ids that are decoded before others have their turn. */
const IDS_PER_TURN = 2_000

type TextSource = Pick<Engine, 'decode' | 'maxModelLen' | 'modelInfo'>

const longestTokens = new WeakMap<TextSource, Promise<number>>()

/** @throws RequestError for a text with more characters than all tokens that the model takes could have. */
export async function refuseHopelessTexts(
  texts: readonly string[],
  promptParam: string,
  { engine }: Pick<ServerContext, 'engine'>,
): Promise<void> {
  const longest = texts.reduce((most, { length }) => Math.max(most, length), 0)
  if (longest <= ALWAYS_TOKENIZED) return
  const { maxModelLen } = engine
  const most = Math.max(ALWAYS_TOKENIZED, maxModelLen * (await longestToken(engine)) * MOST_NORMALIZED_TO_ONE)
  if (longest <= most) return
  throw RequestError.contextLengthExceeded(
    `This model's maximum context length is ${maxModelLen} tokens. However, your prompt contains ${longest} characters (more than ${most} characters, which is the upper bound for ${maxModelLen} input tokens). Please reduce the length of the input prompt.`,
    promptParam,
  )
}

/** Characters of the longest token, looked up once for each engine. */
function longestToken(engine: TextSource): Promise<number> {
  const known = longestTokens.get(engine)
  if (known !== undefined) return known
  const found = measure(engine)
  longestTokens.set(engine, found)
  return found
}

async function measure(engine: TextSource): Promise<number> {
  let longest = 1
  for (let id = 0; id < engine.modelInfo.vocabSize; id += 1) {
    longest = Math.max(longest, charactersOf(engine, id))
    if (id % IDS_PER_TURN === IDS_PER_TURN - 1) await nextTurn()
  }
  // Some tokenizers drop the space that a text begins with.
  return longest + 1
}

/** Models may have more ids than their tokenizer. */
function charactersOf(engine: TextSource, id: number): number {
  try {
    return engine.decode([id], false).length
  } catch {
    return 0
  }
}
