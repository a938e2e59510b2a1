// Lines of a poem: a beginning that all prompts share, and lines drawn for each.

import { InvalidArgumentError } from '../../errors.js'
import { countTokens } from '../prompt-tokenizer.js'
import { readDatasetFile } from './dataset-file.js'
import type { SampleContext, SampleRequest } from './sample-request.js'

const INSTRUCTION = 'Make a new poem out of some of these lines:\n'
/** Prompts that may be too long, for each that is not. */
const MOST_MISSES = 10

export interface SonnetOptions {
  /** Most tokens of a prompt. */
  readonly inputLen: number
  readonly outputLen: number
  /** Tokens that all prompts share, about. */
  readonly prefixLen: number
}

/** @throws InvalidArgumentError if the lengths leave no room for lines. */
export async function sonnetDataset(
  context: SampleContext,
  path: string,
  { inputLen, outputLen, prefixLen }: SonnetOptions,
): Promise<SampleRequest[]> {
  const { tokenizer, random, numPrompts } = context
  const lines = (await readDatasetFile(path)).split('\n').filter(line => line.trim() !== '')
  if (lines.length === 0) throw new InvalidArgumentError('datasetPath', 'The data set has no lines.', path)
  const perLine = average(
    await countTokens(
      tokenizer,
      lines.map(line => `${line}\n`),
      false,
    ),
  )
  const [emptyLen = 0] = await countTokens(tokenizer, [promptOf([], context)], true)
  if (inputLen <= emptyLen) {
    throw new InvalidArgumentError('inputLen', `A prompt without lines has ${emptyLen} tokens already.`, inputLen)
  }
  const numLines = Math.max(Math.round((inputLen - emptyLen) / perLine), 1)
  const shared = lines.slice(0, Math.min(Math.max(Math.round((prefixLen - emptyLen) / perLine), 0), numLines))
  const samples: SampleRequest[] = []
  let misses = 0
  while (samples.length < numPrompts) {
    const prompts = Array.from({ length: numPrompts - samples.length }, () => {
      const own = Array.from({ length: numLines - shared.length }, () => random.choice(lines))
      return promptOf([...shared, ...own], context)
    })
    const counts = await countTokens(tokenizer, prompts, true)
    for (const [index, prompt] of prompts.entries()) {
      const promptTokens = counts[index] as number
      if (promptTokens <= inputLen) samples.push({ prompt, promptTokens, outputTokens: outputLen })
      else misses += 1
    }
    if (misses > MOST_MISSES * numPrompts) {
      throw new InvalidArgumentError('inputLen', 'Hardly a prompt of whole lines is so short.', inputLen)
    }
  }
  return samples
}

function promptOf(lines: readonly string[], { tokenizer, applyChatTemplate }: SampleContext): string {
  const text = INSTRUCTION + lines.join('\n')
  return (applyChatTemplate ? tokenizer.renderUser(text) : undefined) ?? text
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
