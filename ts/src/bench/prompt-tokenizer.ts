// The tokenizer that prompts are measured with: a model's own, without the model.

import { Text } from '../binding/index.js'
import { loadNative } from '../binding/node.js'
import { ChatTemplateError } from '../errors.js'

export interface PromptTokenizer {
  /** Its directory. */
  readonly id: string
  /** One past the largest id. */
  readonly vocabSize: number
  /** Tokens that are put around every text. */
  readonly numSpecialTokens: number
  encode(texts: readonly string[], addSpecialTokens: boolean): Promise<readonly ArrayLike<number>[]>
  decode(ids: ArrayLike<number>, skipSpecialTokens: boolean): string
  /** The prompt that one user's message becomes; undefined if there is no chat template. */
  renderUser(content: string): string | undefined
}

/** @throws TokenizerError if the directory has none that can be read. */
export async function loadPromptTokenizer(directory: string): Promise<PromptTokenizer> {
  const text = await Text.load(await loadNative(), directory, undefined)
  const [bare, surrounded] = [await text.encode(['a'], false), await text.encode(['a'], true)]
  return {
    id: directory,
    vocabSize: text.tokenizer.vocabSize(),
    numSpecialTokens: (surrounded[0]?.length ?? 0) - (bare[0]?.length ?? 0),
    encode: (texts, addSpecialTokens) => text.encode(texts, addSpecialTokens),
    decode: (ids, skipSpecialTokens) => text.decode(ids, skipSpecialTokens),
    renderUser: content => {
      try {
        return text.render([{ role: 'user', content }], {}, new Date())
      } catch (error) {
        if (error instanceof ChatTemplateError) return undefined
        throw error
      }
    },
  }
}

/** How many tokens each text is, in batches so that the tokenizer's threads have work and the memory is bounded. */
export async function countTokens(
  tokenizer: PromptTokenizer,
  texts: readonly string[],
  addSpecialTokens: boolean,
): Promise<number[]> {
  const BATCH = 512
  const counts: number[] = []
  for (let at = 0; at < texts.length; at += BATCH) {
    const encoded = await tokenizer.encode(texts.slice(at, at + BATCH), addSpecialTokens)
    for (const ids of encoded) counts.push(ids.length)
  }
  return counts
}
