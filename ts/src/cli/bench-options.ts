// What the benchmarks' command lines share: lists as vLLM writes them, numbers with suffixes, the options of data sets.

import { writeFile } from 'node:fs/promises'
import { DATASET_DEFAULTS, DATASET_NAMES, type DatasetName, type DatasetOptions } from '../bench/index.js'
import { check } from '../config/check.js'
import { numberOf } from './number-suffix.js'
import type { OptionRow, ParsedOptions } from './options.js'
import { UsageError } from './usage-error.js'

type Own = ParsedOptions['own']

const { random, sonnet, prefixRepetition, customOutputLen, numPrompts } = DATASET_DEFAULTS

export const datasetRows: readonly OptionRow[] = [
  { name: 'num-prompts', kind: 'text', value: 'N', help: `requests (default: ${numPrompts})` },
  { name: 'seed', kind: 'text', value: 'N', help: 'draws prompts and arrivals (default: 0)' },
  { name: 'dataset-name', kind: 'text', value: 'NAME', help: `${DATASET_NAMES.join(', ')} (default: random)` },
  { name: 'dataset-path', kind: 'text', value: 'FILE', help: 'file of sharegpt (JSON), sonnet (text), custom (JSONL)' },
  { name: 'input-len', kind: 'text', value: 'N', help: 'tokens of every prompt, for data sets that can' },
  { name: 'output-len', kind: 'text', value: 'N', help: 'tokens of every answer' },
  row('random-input-len', 'tokens of a prompt', random.inputLen),
  row('random-output-len', 'tokens of an answer', random.outputLen),
  row('random-range-ratio', 'lengths vary by this share, below 1', random.rangeRatio),
  row('random-prefix-len', 'tokens that all prompts share, beside the others', random.prefixLen),
  row('sonnet-input-len', 'most tokens of a prompt', sonnet.inputLen),
  row('sonnet-output-len', 'tokens of an answer', sonnet.outputLen),
  row('sonnet-prefix-len', 'tokens that all prompts share', sonnet.prefixLen),
  row('sharegpt-output-len', 'tokens of an answer', "the data set's"),
  row('custom-output-len', 'tokens of an answer; -1: output_tokens of the line', customOutputLen),
  row('prefix-repetition-prefix-len', 'tokens of a shared beginning', prefixRepetition.prefixLen),
  row('prefix-repetition-suffix-len', 'tokens after it', prefixRepetition.suffixLen),
  row('prefix-repetition-num-prefixes', 'different beginnings', prefixRepetition.numPrefixes),
  row('prefix-repetition-output-len', 'tokens of an answer', prefixRepetition.outputLen),
  { name: 'skip-chat-template', kind: 'flag', help: 'do not render prompts through the chat template' },
  { name: 'disable-shuffle', kind: 'flag', help: "take a file's entries in their order" },
  { name: 'no-oversample', kind: 'flag', help: 'rather fewer requests than a prompt twice' },
]

function row(name: string, help: string, standard: number | string): OptionRow {
  return { name, kind: 'text', value: 'N', help: `${help} (default: ${standard})` }
}

/** `128`, `1k` = 1000, `1K` = 1024. @throws UsageError. */
export function readInteger(own: Own, name: string, least: number): number | undefined {
  const given = own[name]
  if (given === undefined) return undefined
  const value = numberOf(String(given))
  if (!Number.isSafeInteger(value)) throw new UsageError(`--${name} needs a whole number, got '${given}'.`)
  if (value < least) throw new UsageError(`--${name} must be at least ${least}, got ${given}.`)
  return value
}

/** A number, or `inf`. @throws UsageError. */
export function readNumber(own: Own, name: string): number | undefined {
  const given = own[name]
  if (given === undefined) return undefined
  const text = String(given).trim().toLowerCase()
  const value = /^inf(inity)?$/.test(text) ? Number.POSITIVE_INFINITY : text === '' ? Number.NaN : Number(text)
  if (Number.isNaN(value)) throw new UsageError(`--${name} needs a number, got '${given}'.`)
  return value
}

export function readText(own: Own, name: string): string | undefined {
  return own[name] as string | undefined
}

/** @throws UsageError, InvalidArgumentError. */
export function readDataset(own: Own, standard: DatasetName = 'random'): DatasetOptions {
  const name = check.choice('dataset-name', own['dataset-name'] ?? standard, DATASET_NAMES)
  const path = readText(own, 'dataset-path')
  const inputLen = readInteger(own, 'input-len', 1)
  const outputLen = readInteger(own, 'output-len', 1)
  const shareGptOutputLen = outputLen ?? readInteger(own, 'sharegpt-output-len', 1)
  const length = (option: string, byDefault: number, least = 1): number => readInteger(own, option, least) ?? byDefault
  const rangeRatio = readNumber(own, 'random-range-ratio') ?? random.rangeRatio
  return {
    name,
    ...(path !== undefined && { path }),
    numPrompts: length('num-prompts', numPrompts),
    seed: length('seed', DATASET_DEFAULTS.seed, 0),
    random: {
      inputLen: inputLen ?? length('random-input-len', random.inputLen),
      outputLen: outputLen ?? length('random-output-len', random.outputLen),
      rangeRatio: check.number('random-range-ratio', rangeRatio, { atLeast: 0, below: 1 }),
      prefixLen: length('random-prefix-len', random.prefixLen, 0),
    },
    sonnet: {
      inputLen: inputLen ?? length('sonnet-input-len', sonnet.inputLen),
      outputLen: outputLen ?? length('sonnet-output-len', sonnet.outputLen),
      prefixLen: length('sonnet-prefix-len', sonnet.prefixLen, 0),
    },
    prefixRepetition: {
      prefixLen: length('prefix-repetition-prefix-len', prefixRepetition.prefixLen),
      suffixLen: length('prefix-repetition-suffix-len', prefixRepetition.suffixLen),
      numPrefixes: length('prefix-repetition-num-prefixes', prefixRepetition.numPrefixes),
      outputLen: outputLen ?? length('prefix-repetition-output-len', prefixRepetition.outputLen),
    },
    ...(shareGptOutputLen !== undefined && { shareGptOutputLen }),
    customOutputLen: outputLen ?? length('custom-output-len', customOutputLen, -1),
    applyChatTemplate: own['skip-chat-template'] !== true,
    disableShuffle: own['disable-shuffle'] === true,
    noOversample: own['no-oversample'] === true,
  }
}

/**
 * `--goodput ttft:100 tpot:10` as `--goodput ttft:100 --goodput tpot:10`: these options take all values up to the next
 * option. And `--custom-output-len -1` as one word: a value, not another option.
 */
export function normalArgs(args: readonly string[], rows: readonly OptionRow[]): string[] {
  const named = new Map(rows.map(({ name, kind }) => [`--${name}`, kind]))
  const result: string[] = []
  let list: string | undefined
  for (const [index, arg] of args.entries()) {
    const before = args[index - 1] ?? ''
    if (/^-[\d.]/.test(arg) && named.get(before) === 'text') result[result.length - 1] = `${before}=${arg}`
    else if (arg.startsWith('-')) {
      result.push(arg)
      list = named.get(arg) === 'texts' ? arg : undefined
    } else if (list !== undefined && before !== list) result.push(list, arg)
    else result.push(arg)
  }
  return result
}

/** `a=b` pairs. @throws UsageError. */
export function readPairs(own: Own, name: string): Record<string, string> {
  const pairs = (own[name] as readonly string[] | undefined) ?? []
  return Object.fromEntries(
    pairs.map(pair => {
      const equals = pair.indexOf('=')
      if (equals < 1) throw new UsageError(`--${name} needs KEY=VALUE, got '${pair}'.`)
      return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]
    }),
  )
}

/** @throws UsageError if the file cannot be written. */
export async function writeResult(name: string, path: string, content: string, append = false): Promise<void> {
  try {
    await writeFile(path, content, { flag: append ? 'a' : 'w' })
  } catch (error) {
    throw new UsageError(`--${name}: ${path} cannot be written: ${(error as Error).message}`)
  }
}
