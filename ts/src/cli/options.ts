// The options that commands share: one table row per option says its name, kind, help, and which engine option or sampling
// parameter it sets. Help texts and parsing both come from the rows.

import { parseArgs } from 'node:util'
import type { EngineOptions, SamplingOptions } from '../config/index.js'
import { UsageError } from './usage-error.js'

/** `json`: an object, whose keys may be written as vLLM has them. */
type Kind = 'text' | 'texts' | 'number' | 'flag' | 'json'

export interface OptionRow {
  readonly name: string
  readonly kind: Kind
  /** What stands for the value in the help. */
  readonly value?: string
  readonly help: string
  readonly engine?: keyof EngineOptions
  readonly sampling?: keyof SamplingOptions
  /** A flag that switches its option off: `--no-x`. */
  readonly negates?: boolean
}

/** Which state of a model by name, and where it is from. */
export const hubRows: readonly OptionRow[] = [
  {
    name: 'revision',
    kind: 'text',
    value: 'NAME',
    help: 'branch, tag or commit of a model by name (default: main)',
    engine: 'revision',
  },
  {
    name: 'tokenizer-revision',
    kind: 'text',
    value: 'NAME',
    help: 'the same of a tokenizer by name',
    engine: 'tokenizerRevision',
  },
  { name: 'hf-token', kind: 'text', value: 'TOKEN', help: 'token of the hub (default: HF_TOKEN)', engine: 'hfToken' },
  {
    name: 'cache-dir',
    kind: 'text',
    value: 'DIR',
    help: "cache of models by name (default: HF_HUB_CACHE, else Hugging Face's)",
    engine: 'cacheDir',
  },
  { name: 'offline', kind: 'flag', help: 'take models by name from the cache, ask nobody', engine: 'offline' },
]

export const engineRows: readonly OptionRow[] = [
  {
    name: 'model',
    kind: 'text',
    value: 'MODEL',
    help: "directory in Hugging Face's layout, GGUF file, or org/name[@revision] (default: the bundled tiny model)",
    engine: 'model',
  },
  {
    name: 'tokenizer',
    kind: 'text',
    value: 'MODEL',
    help: "directory or name of another tokenizer (default: the model's)",
    engine: 'tokenizer',
  },
  ...hubRows,
  {
    name: 'framework',
    kind: 'text',
    value: 'NAME',
    help: 'framework plugin (default: QUIRE_FRAMEWORK, else the best available)',
    engine: 'framework',
  },
  {
    name: 'device',
    kind: 'text',
    value: 'NAME',
    help: "cpu, cuda:0, ... (default: the plugin's first)",
    engine: 'device',
  },
  {
    name: 'dtype',
    kind: 'text',
    value: 'TYPE',
    help: 'auto, float32, bfloat16 or float16 (default: auto)',
    engine: 'dtype',
  },
  {
    name: 'quantization',
    kind: 'text',
    value: 'FORMAT',
    help: 'auto, none, or how to quantise weights: int8, q8_0, q4_0, ... (default: auto)',
    engine: 'quantization',
  },
  {
    name: 'imatrix',
    kind: 'text',
    value: 'FILE',
    help: 'importance matrix by which --quantization q4_0, q4_k or q6_k weighs errors (quire imatrix)',
    engine: 'imatrix',
  },
  {
    name: 'packed-weights-cache',
    kind: 'text',
    value: 'FOLDER',
    help: 'keep weights there as they are computed with, for the next start (default: nowhere)',
    engine: 'packedWeightsCache',
  },
  { name: 'threads', kind: 'number', value: 'N', help: 'compute threads (default: all cores)', engine: 'threads' },
  {
    name: 'tensor-parallel-size',
    kind: 'number',
    value: 'N',
    help: 'ranks that share the model, one device each (default: 1)',
    engine: 'tensorParallelSize',
  },
  {
    name: 'enforce-eager',
    kind: 'flag',
    help: 'compile nothing, on frameworks that compile',
    engine: 'enforceEager',
  },
  { name: 'restart', kind: 'flag', help: 'start a worker again that died or hangs', engine: 'restart' },
  {
    name: 'max-model-len',
    kind: 'number',
    value: 'N',
    help: "prompt and output tokens of a sequence (default: the model's)",
    engine: 'maxModelLen',
  },
  { name: 'block-size', kind: 'number', value: 'N', help: 'KV slots per block (default: 16)', engine: 'blockSize' },
  {
    name: 'num-blocks',
    kind: 'number',
    value: 'N',
    help: 'KV blocks (default: as memory allows)',
    engine: 'numBlocks',
  },
  {
    name: 'kv-cache-dtype',
    kind: 'text',
    value: 'TYPE',
    help: 'auto, or what KV is stored as: bfloat16, fp8, fp8_e5m2, int8, ... (default: auto)',
    engine: 'kvCacheDtype',
  },
  {
    name: 'kv-cache-memory',
    kind: 'number',
    value: 'BYTES',
    help: 'bytes for the KV cache (default: as memory allows)',
    engine: 'kvCacheMemoryBytes',
  },
  {
    name: 'memory-utilization',
    kind: 'number',
    value: 'SHARE',
    help: 'share of memory that may be filled (default: 0.9)',
    engine: 'memoryUtilization',
  },
  {
    name: 'max-num-seqs',
    kind: 'number',
    value: 'N',
    help: 'sequences that run at once (default: 256)',
    engine: 'maxNumSeqs',
  },
  {
    name: 'max-num-batched-tokens',
    kind: 'number',
    value: 'N',
    help: 'tokens in one step (default: 2048)',
    engine: 'maxNumBatchedTokens',
  },
  {
    name: 'no-enable-prefix-caching',
    kind: 'flag',
    help: 'compute equal prompt beginnings again',
    engine: 'enablePrefixCaching',
    negates: true,
  },
  {
    name: 'speculative-config',
    kind: 'json',
    value: 'JSON',
    help: '{"method": "ngram"}: guess tokens from what was said before; {"model": "..."}: a quicker model guesses',
    engine: 'speculativeConfig',
  },
]

export const samplingRows: readonly OptionRow[] = [
  {
    name: 'max-tokens',
    kind: 'number',
    value: 'N',
    help: 'most tokens to generate (default: 256)',
    sampling: 'maxTokens',
  },
  { name: 'min-tokens', kind: 'number', value: 'N', help: 'least tokens before a stop', sampling: 'minTokens' },
  {
    name: 'temperature',
    kind: 'number',
    value: 'T',
    help: "0 = greedy (default: the model's, else 1)",
    sampling: 'temperature',
  },
  { name: 'top-p', kind: 'number', value: 'P', help: 'keep the likeliest ids that sum to P', sampling: 'topP' },
  { name: 'top-k', kind: 'number', value: 'K', help: 'keep the K likeliest ids', sampling: 'topK' },
  { name: 'min-p', kind: 'number', value: 'P', help: 'drop ids below this share of the likeliest', sampling: 'minP' },
  {
    name: 'repetition-penalty',
    kind: 'number',
    value: 'R',
    help: 'above 1 discourages repetition',
    sampling: 'repetitionPenalty',
  },
  {
    name: 'presence-penalty',
    kind: 'number',
    value: 'R',
    help: 'subtracted once for ids already there',
    sampling: 'presencePenalty',
  },
  {
    name: 'frequency-penalty',
    kind: 'number',
    value: 'R',
    help: 'subtracted for each time an id is there',
    sampling: 'frequencyPenalty',
  },
  { name: 'seed', kind: 'number', value: 'N', help: 'makes the draw repeatable', sampling: 'seed' },
  { name: 'stop', kind: 'texts', value: 'TEXT', help: 'ends the output (repeatable)', sampling: 'stop' },
  { name: 'n', kind: 'number', value: 'N', help: 'continuations of each prompt', sampling: 'n' },
  {
    name: 'logprobs',
    kind: 'number',
    value: 'N',
    help: 'logprobs of the N likeliest ids per token (with --json)',
    sampling: 'logprobs',
  },
  { name: 'ignore-eos', kind: 'flag', help: "go on after the model's end of sequence", sampling: 'ignoreEos' },
]

/** What a command line says. */
export interface ParsedOptions {
  readonly engine: EngineOptions
  readonly sampling: SamplingOptions
  /** Values of rows that set neither. */
  readonly own: Readonly<Record<string, string | readonly string[] | number | boolean>>
}

/** @throws UsageError naming the option. */
export function parseOptions(args: readonly string[], rows: readonly OptionRow[]): ParsedOptions {
  const values = parse(args, rows)
  const engine: Record<string, unknown> = {}
  const sampling: Record<string, unknown> = {}
  const own: Record<string, string | readonly string[] | number | boolean> = {}
  for (const row of rows) {
    const given = values[row.name]
    if (given === undefined) continue
    const value = convert(row, given)
    if (row.engine !== undefined) engine[row.engine] = value
    else if (row.sampling !== undefined) sampling[row.sampling] = value
    else own[row.name] = value as Exclude<typeof value, object> | readonly string[]
  }
  return { engine, sampling, own }
}

/** One line per option, aligned. */
export function helpOf(rows: readonly OptionRow[]): string {
  const names = rows.map(({ name, value }) => `--${name}${value === undefined ? '' : ` ${value}`}`)
  const width = Math.max(...names.map(name => name.length))
  return rows.map(({ help }, index) => `  ${(names[index] as string).padEnd(width)}  ${help}`).join('\n')
}

function parse(
  args: readonly string[],
  rows: readonly OptionRow[],
): Record<string, string | boolean | (string | boolean)[] | undefined> {
  const options = Object.fromEntries(
    rows.map(({ name, kind }) => [
      name,
      { type: kind === 'flag' ? ('boolean' as const) : ('string' as const), multiple: kind === 'texts' },
    ]),
  )
  try {
    return parseArgs({ args: joinNegativeNumbers(args, rows), options, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** `--seed -1` is a value, not another option. */
function joinNegativeNumbers(args: readonly string[], rows: readonly OptionRow[]): string[] {
  const numeric = new Set(rows.filter(({ kind }) => kind === 'number').map(({ name }) => `--${name}`))
  const joined: string[] = []
  for (const arg of args) {
    const previous = joined.at(-1)
    if (previous !== undefined && numeric.has(previous) && /^-[\d.]/.test(arg))
      joined[joined.length - 1] = `${previous}=${arg}`
    else joined.push(arg)
  }
  return joined
}

function convert(
  row: OptionRow,
  given: string | boolean | (string | boolean)[],
): string | readonly string[] | number | boolean | object {
  if (row.kind === 'json') return objectOf(row.name, given as string)
  if (row.kind === 'texts') return given as string[]
  if (row.kind === 'flag') return row.negates === true ? given !== true : given === true
  if (row.kind === 'text') return given as string
  const value = Number(given)
  if ((given as string).trim() === '' || Number.isNaN(value)) {
    throw new UsageError(`--${row.name} needs a number, got '${String(given)}'.`)
  }
  return value
}

function objectOf(name: string, text: string): object {
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`--${name} is not valid JSON: ${(error as Error).message}`)
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new UsageError(`--${name} needs a JSON object, such as '{"method": "ngram"}'.`)
  }
  const entries = Object.entries(fields)
  return Object.fromEntries(entries.map(([key, value]) => [camelCase(key), value]))
}

const camelCase = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
