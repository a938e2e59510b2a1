// Random words: prompts of a given length, with a beginning that all share if asked.

import { countTokens } from '../prompt-tokenizer.js'
import { RandomText } from './random-text.js'
import type { SampleContext, SampleRequest } from './sample-request.js'

export interface RandomOptions {
  /** Tokens of a prompt beside the shared beginning. */
  readonly inputLen: number
  readonly outputLen: number
  /** From [0, 1): lengths are drawn from as much below and above. */
  readonly rangeRatio: number
  readonly prefixLen: number
}

export async function randomDataset(context: SampleContext, options: RandomOptions): Promise<SampleRequest[]> {
  const { tokenizer, random, numPrompts } = context
  const { inputLen, outputLen, rangeRatio, prefixLen } = options
  const draw = (length: number, least: number): number =>
    random.integer(
      Math.max(Math.floor(length * (1 - rangeRatio)), least),
      Math.max(Math.ceil(length * (1 + rangeRatio)), least),
    )
  const ownLen = Math.max(inputLen - tokenizer.numSpecialTokens, 0)
  const lengths = Array.from({ length: numPrompts }, () => ({ input: draw(ownLen, 1), output: draw(outputLen, 1) }))
  const text = new RandomText(tokenizer, random)
  const [prefix = '', ...own] = await text.ofLengths([prefixLen, ...lengths.map(({ input }) => input)])
  const prompts = own.map(part => prefix + part)
  const counts = await countTokens(tokenizer, prompts, true)
  return prompts.map((prompt, index) => ({
    prompt,
    promptTokens: counts[index] as number,
    outputTokens: lengths[index]?.output as number,
  }))
}
