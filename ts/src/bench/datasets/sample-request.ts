// What a data set gives: prompts, and how long their answers shall be.

import type { PromptTokenizer } from '../prompt-tokenizer.js'
import type { RandomSource } from '../random-source.js'

export interface SampleRequest {
  readonly prompt: string
  /** Tokens of the prompt, special ones included. */
  readonly promptTokens: number
  readonly outputTokens: number
}

/** What all data sets need. */
export interface SampleContext {
  readonly tokenizer: PromptTokenizer
  readonly random: RandomSource
  readonly numPrompts: number
  /** Render prompts through the chat template, where the tokenizer has one. */
  readonly applyChatTemplate: boolean
  /** Take a file's entries in their order. */
  readonly disableShuffle: boolean
  /** Give fewer requests, rather than some of them twice. */
  readonly noOversample: boolean
}

/** Draws some twice until there are enough. */
export function oversampled(samples: readonly SampleRequest[], context: SampleContext): readonly SampleRequest[] {
  const { numPrompts, random, noOversample } = context
  if (noOversample || samples.length >= numPrompts || samples.length === 0) return samples
  const more = Array.from({ length: numPrompts - samples.length }, () => random.choice(samples))
  return [...samples, ...more]
}
