// Random words where many prompts share one of a few beginnings: what a prefix cache is tried with.

import { InvalidArgumentError } from '../../errors.js'
import { countTokens } from '../prompt-tokenizer.js'
import { RandomText } from './random-text.js'
import type { SampleContext, SampleRequest } from './sample-request.js'

export interface PrefixRepetitionOptions {
  readonly prefixLen: number
  readonly suffixLen: number
  readonly numPrefixes: number
  readonly outputLen: number
}

/** Each beginning gets equally many prompts, so that there may be a few less than asked for. */
export async function prefixRepetitionDataset(
  context: SampleContext,
  { prefixLen, suffixLen, numPrefixes, outputLen }: PrefixRepetitionOptions,
): Promise<SampleRequest[]> {
  const { tokenizer, random, numPrompts, disableShuffle } = context
  const perPrefix = Math.floor(numPrompts / numPrefixes)
  if (perPrefix === 0) {
    throw new InvalidArgumentError('numPrompts', `${numPrefixes} prefixes need as many prompts at least.`, numPrompts)
  }
  const text = new RandomText(tokenizer, random)
  const prefixes = await text.ofLengths(Array.from({ length: numPrefixes }, () => prefixLen))
  const suffixes = await text.ofLengths(Array.from({ length: numPrefixes * perPrefix }, () => suffixLen))
  const prompts = suffixes.map((suffix, index) => prefixes[Math.floor(index / perPrefix)] + suffix)
  const counts = await countTokens(tokenizer, prompts, true)
  const samples = prompts.map((prompt, index) => ({
    prompt,
    promptTokens: counts[index] as number,
    outputTokens: outputLen,
  }))
  return disableShuffle ? samples : random.shuffled(samples)
}
