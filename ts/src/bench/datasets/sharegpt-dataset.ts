// Conversations in ShareGPT's form: the first turn is the prompt, the second says how long the answer is.

import { InvalidArgumentError } from '../../errors.js'
import { countTokens } from '../prompt-tokenizer.js'
import { parseDatasetJson, readDatasetFile } from './dataset-file.js'
import { oversampled, type SampleContext, type SampleRequest } from './sample-request.js'

/** vLLM's bounds, in tokens: shorter pairs say little, longer ones do not fit small models. */
const LEAST_TOKENS = 4
const MOST_PROMPT_TOKENS = 1024
const MOST_TOTAL_TOKENS = 2048
const BATCH = 256

interface Pair {
  readonly prompt: string
  readonly answer: string
}

/** @param outputLen tokens of every answer; without it, those of the conversation's own. */
export async function shareGptDataset(
  context: SampleContext,
  path: string,
  outputLen: number | undefined,
): Promise<readonly SampleRequest[]> {
  const { random, numPrompts, disableShuffle } = context
  const pairs = pairsOf(parseDatasetJson(await readDatasetFile(path), path), path, outputLen !== undefined)
  const ordered = disableShuffle ? pairs : random.shuffled(pairs)
  const samples: SampleRequest[] = []
  for (let at = 0; at < ordered.length && samples.length < numPrompts; at += BATCH) {
    samples.push(...(await usable(context, ordered.slice(at, at + BATCH), outputLen)))
  }
  if (samples.length === 0) {
    throw new InvalidArgumentError('datasetPath', 'The data set has no conversation of a usable length.', path)
  }
  return oversampled(samples.slice(0, numPrompts), context)
}

/** An answer of a given length needs no second turn. */
function pairsOf(data: unknown, path: string, answersGiven: boolean): Pair[] {
  if (!Array.isArray(data)) {
    throw new InvalidArgumentError(
      'datasetPath',
      "The data set is not a list of conversations in ShareGPT's form.",
      path,
    )
  }
  return data.flatMap(entry => {
    const turns = (entry as { conversations?: unknown } | null)?.conversations
    if (!Array.isArray(turns)) return []
    const [prompt, answer] = turns.map(turn => (turn as { value?: unknown } | null)?.value)
    if (typeof prompt !== 'string' || (typeof answer !== 'string' && !answersGiven)) return []
    return [{ prompt, answer: typeof answer === 'string' ? answer : '' }]
  })
}

async function usable(
  { tokenizer }: SampleContext,
  pairs: readonly Pair[],
  outputLen: number | undefined,
): Promise<SampleRequest[]> {
  const prompts = await countTokens(
    tokenizer,
    pairs.map(({ prompt }) => prompt),
    true,
  )
  const answers =
    outputLen === undefined
      ? await countTokens(
          tokenizer,
          pairs.map(({ answer }) => answer),
          true,
        )
      : pairs.map(() => outputLen)
  return pairs.flatMap(({ prompt }, index) => {
    const [promptTokens, outputTokens] = [prompts[index] as number, answers[index] as number]
    const tooShort = promptTokens < LEAST_TOKENS || (outputLen === undefined && outputTokens < LEAST_TOKENS)
    const tooLong = promptTokens > MOST_PROMPT_TOKENS || promptTokens + outputTokens > MOST_TOTAL_TOKENS
    return tooShort || tooLong ? [] : [{ prompt, promptTokens, outputTokens }]
  })
}
