// Prompts of one's own: a JSONL file whose lines have a `prompt`, and may say how many tokens its answer has.

import { InvalidArgumentError } from '../../errors.js'
import { countTokens } from '../prompt-tokenizer.js'
import { parseDatasetJson, readDatasetFile } from './dataset-file.js'
import { oversampled, type SampleContext, type SampleRequest } from './sample-request.js'

/** The key of a line that says how long the answer is. */
const OUTPUT_TOKENS = 'output_tokens'

/** @param outputLen tokens of every answer; -1: as the line says. */
export async function customDataset(
  context: SampleContext,
  path: string,
  outputLen: number,
): Promise<readonly SampleRequest[]> {
  const { tokenizer, random, numPrompts, disableShuffle, applyChatTemplate } = context
  const entries = (await readDatasetFile(path))
    .split('\n')
    .flatMap((text, index) => (text.trim() === '' ? [] : [lineOf(text, path, index + 1, outputLen)]))
  if (entries.length === 0) throw new InvalidArgumentError('datasetPath', 'The data set has no lines.', path)
  const taken = (disableShuffle ? entries : random.shuffled(entries)).slice(0, numPrompts)
  const prompts = taken.map(({ prompt }) => (applyChatTemplate ? tokenizer.renderUser(prompt) : undefined) ?? prompt)
  const counts = await countTokens(tokenizer, prompts, true)
  const samples = prompts.map((prompt, index) => ({
    prompt,
    promptTokens: counts[index] as number,
    outputTokens: taken[index]?.outputTokens as number,
  }))
  return oversampled(samples, context)
}

function lineOf(text: string, path: string, line: number, outputLen: number): { prompt: string; outputTokens: number } {
  const entry = parseDatasetJson(text, path, line) as Record<string, unknown> | null
  const prompt = entry?.prompt
  if (typeof prompt !== 'string') {
    throw new InvalidArgumentError(
      'datasetPath',
      `Line ${line} of the data set has no \`prompt\` that is a text.`,
      path,
    )
  }
  if (outputLen !== -1) return { prompt, outputTokens: outputLen }
  const outputTokens = entry?.[OUTPUT_TOKENS]
  if (typeof outputTokens !== 'number' || !Number.isInteger(outputTokens) || outputTokens < 1) {
    const message = `Line ${line} of the data set has no \`${OUTPUT_TOKENS}\`, which an output length of -1 needs.`
    throw new InvalidArgumentError('datasetPath', message, path)
  }
  return { prompt, outputTokens }
}
