// The engine's configuration: parsed once from what the user asked, checked, frozen, and handed on in slices.
// Whatever depends on the loaded model (the model length, the number of blocks) is decided later, by the engine.

import { InvalidArgumentError } from '../errors.js'
import { type Choice, check } from './check.js'
import { type LogitsProcessorSource, type NamedLogitsProcessor, parseProcessorSources } from './logits-processors.js'
import {
  isDraftModel,
  parseSpeculative,
  type SpeculativeConfig,
  type SpeculativeOptions,
} from './speculative-config.js'

export type DTypeOption = 'auto' | 'float32' | 'bfloat16' | 'float16'
export type SchedulingPolicyOption = 'fcfs' | 'priority'
export type LogprobsMode = 'raw_logprobs' | 'raw_logits' | 'processed_logprobs' | 'processed_logits'

/** What `LLM.create` takes. Every field has a default. */
export interface EngineOptions {
  /**
   * A directory in Hugging Face's layout, a GGUF file, or a name on the hub: `org/name[@revision]`, or
   * `org/name:Q4_K_M` for one of its GGUF files. Default: the bundled tiny model.
   */
  readonly model?: string
  /** A directory, GGUF file or name with another tokenizer. Default: the model's. */
  readonly tokenizer?: string
  /** Branch, tag or commit of a model by name. Default: `main`. */
  readonly revision?: string
  /** The same of a tokenizer by name. */
  readonly tokenizerRevision?: string
  /** Sent to the hub alone. Default: HF_TOKEN, else the file that `hf auth login` writes. */
  readonly hfToken?: string
  /** Where models by name are kept. Default: HF_HUB_CACHE, else the folder `hub` in HF_HOME. */
  readonly cacheDir?: string
  /** Take models by name from the cache and ask nobody. Default: HF_HUB_OFFLINE. */
  readonly offline?: boolean
  /** False: no tokenizer is loaded; prompts are token ids and outputs have no text. Default true. */
  readonly loadTokenizer?: boolean
  /** A Jinja chat template that replaces the model's own. */
  readonly chatTemplate?: string
  /** Plugin to run on. Default: QUIRE_FRAMEWORK, else the best that is available. */
  readonly framework?: string
  /** `cpu`, `cuda:1`, ... Default: the plugin's first device. */
  readonly device?: string
  /** Type to compute in. Default 'auto': the checkpoint's, where the device has it. */
  readonly dtype?: DTypeOption
  /**
   * Whether weights are held as small whole numbers: 'auto' keeps those that the checkpoint stores so, 'none' widens them, `q8_0`,
   * `q4_0` and the like make blocks of the others as they are loaded, `int8` bytes with a scale for each output, on frameworks that
   * do. Default 'auto'.
   */
  readonly quantization?: string
  /**
   * A file with an importance matrix (`quire imatrix`), by which errors count where `quantization` is `q4_0`, `q4_k` or `q6_k`, on
   * frameworks that do. Default: all errors count alike.
   */
  readonly imatrix?: string
  /**
   * A folder where weights are kept as the kernels want them, on frameworks that do: the first start with a model writes a file there, the next
   * one maps it. Default: weights are packed at every start.
   */
  readonly packedWeightsCache?: string
  /**
   * What the KV cache stores keys and values as: 'auto' is the type that the model computes in, `fp8` (`fp8_e4m3`), `fp8_e5m2` and `int8`
   * take half of bfloat16's memory, on frameworks that have them. Default 'auto'.
   */
  readonly kvCacheDtype?: string
  /** Compute threads on a CPU device. Default: all cores, or as few as the smallest models pay for. */
  readonly threads?: number
  /** Ranks that share the model's heads and layers' columns, one device each. Default 1. */
  readonly tensorParallelSize?: number
  /** Run without compiling, on frameworks that compile: for debugging. Default false. */
  readonly enforceEager?: boolean
  /** Start a worker again that died or hangs, and run again what had no token yet. Default false. */
  readonly restart?: boolean
  /** Prompt and output tokens of one sequence. Default: the model's own limit. */
  readonly maxModelLen?: number
  /** KV slots per block. Default 16. */
  readonly blockSize?: number
  /** KV blocks, the null block included; overrides the sizing from free memory. */
  readonly numBlocks?: number
  /** Bytes for the KV cache; overrides the sizing from free memory. */
  readonly kvCacheMemoryBytes?: number
  /** Share of the memory that this process may fill, weights and activations included. Default 0.9. */
  readonly memoryUtilization?: number
  /** Sequences that run at once. Default 256. */
  readonly maxNumSeqs?: number
  /** Tokens in one step. Default 2048. */
  readonly maxNumBatchedTokens?: number
  /** Reuse the KV blocks of equal prompt beginnings. Default true. */
  readonly enablePrefixCaching?: boolean
  /** Let a long prompt be computed over several steps. Default true. */
  readonly enableChunkedPrefill?: boolean
  /** Most tokens of one prompt in one step; 0 = no limit. Default 0. */
  readonly longPrefillTokenThreshold?: number
  /** Default 'fcfs': first come, first served. */
  readonly schedulingPolicy?: SchedulingPolicyOption
  /** Guess tokens and verify several in one step; outputs stay the same. Default: no guesses. */
  readonly speculativeConfig?: SpeculativeOptions
  /** Seeds the requests that have no seed of their own. Default: unpredictable. */
  readonly seed?: number
  /** Most logprobs per token that a request may ask for; -1 = the vocabulary. Default 20. */
  readonly maxLogprobs?: number
  /** Default 'raw_logprobs'. */
  readonly logprobsMode?: LogprobsMode
  /** 'auto': defaults of generation_config.json apply; 'none': they do not. Default 'auto'. */
  readonly generationConfig?: 'auto' | 'none'
  /**
   * Functions that change rows of logits, by the names that requests have for them. A path or URL is that of a module whose default
   * export is one; a function itself needs a loop in its own thread, as `LLM` has it. Default: none.
   */
  readonly logitsProcessors?: Readonly<Record<string, LogitsProcessorSource>>
}

export interface ModelConfig {
  readonly path: string
  readonly tokenizerPath: string | undefined
  readonly chatTemplate: string | undefined
  readonly dtype: DTypeOption
  readonly quantization: string
  readonly imatrix: string | undefined
  readonly packedWeightsCache: string | undefined
  readonly maxModelLen: number | undefined
  readonly generationConfig: 'auto' | 'none'
  readonly seed: number | undefined
  readonly maxLogprobs: number
  readonly logprobsMode: LogprobsMode
}

export interface CacheConfig {
  readonly blockSize: number
  readonly dtype: string
  readonly numBlocks: number | undefined
  readonly kvCacheMemoryBytes: number | undefined
  readonly memoryUtilization: number
  readonly enablePrefixCaching: boolean
}

export interface SchedulerConfig {
  readonly maxNumSeqs: number
  readonly maxNumBatchedTokens: number
  readonly enableChunkedPrefill: boolean
  readonly longPrefillTokenThreshold: number
  readonly policy: SchedulingPolicyOption
  readonly speculative: SpeculativeConfig | undefined
}

export interface DeviceConfig {
  readonly framework: string | undefined
  readonly device: { readonly kind: string; readonly index: number } | undefined
  readonly threads: number | undefined
  readonly tensorParallelSize: number
  readonly enforceEager: boolean
  readonly restart: boolean
}

export interface EngineConfig {
  readonly model: ModelConfig
  readonly cache: CacheConfig
  readonly scheduler: SchedulerConfig
  readonly device: DeviceConfig
  readonly logitsProcessors: readonly NamedLogitsProcessor[]
}

const dtypes: Choice<DTypeOption> = ['auto', 'float32', 'bfloat16', 'float16']
const policies: Choice<SchedulingPolicyOption> = ['fcfs', 'priority']
const logprobsModes: Choice<LogprobsMode> = ['raw_logprobs', 'raw_logits', 'processed_logprobs', 'processed_logits']
const deviceKinds = ['cpu', 'cuda', 'npu', 'metal', 'tpu', 'webgpu'] as const

const optionNames: Readonly<Record<keyof EngineOptions, true>> = {
  model: true,
  tokenizer: true,
  revision: true,
  tokenizerRevision: true,
  hfToken: true,
  cacheDir: true,
  offline: true,
  loadTokenizer: true,
  chatTemplate: true,
  framework: true,
  device: true,
  dtype: true,
  quantization: true,
  imatrix: true,
  packedWeightsCache: true,
  kvCacheDtype: true,
  threads: true,
  tensorParallelSize: true,
  enforceEager: true,
  restart: true,
  maxModelLen: true,
  blockSize: true,
  numBlocks: true,
  kvCacheMemoryBytes: true,
  memoryUtilization: true,
  maxNumSeqs: true,
  maxNumBatchedTokens: true,
  enablePrefixCaching: true,
  enableChunkedPrefill: true,
  longPrefillTokenThreshold: true,
  schedulingPolicy: true,
  speculativeConfig: true,
  seed: true,
  maxLogprobs: true,
  logprobsMode: true,
  generationConfig: true,
  logitsProcessors: true,
}

/** Where models are, where nobody says more than a relative path, or nothing. */
export interface ModelPlaces {
  /** Of the bundled tiny model. */
  bundledModel(): string
  /** The whole of a path that may be relative. */
  resolve(path: string): string
}

/**
 * Names must have become paths: what is no path here is taken for one.
 * @throws InvalidArgumentError naming the option.
 */
export function parseOptions(options: EngineOptions, places: ModelPlaces): EngineConfig {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(optionNames, name)) {
      throw new InvalidArgumentError(name, `There is no option \`${name}\``, (options as Record<string, unknown>)[name])
    }
  }
  const maxNumSeqs = check.integer('maxNumSeqs', options.maxNumSeqs ?? 256, 1, 65_536)
  const maxNumBatchedTokens = check.integer('maxNumBatchedTokens', options.maxNumBatchedTokens ?? 2048, 1, 1 << 24)
  if (maxNumBatchedTokens < maxNumSeqs && options.maxNumSeqs !== undefined) {
    throw new InvalidArgumentError(
      'maxNumBatchedTokens',
      `maxNumBatchedTokens must be at least maxNumSeqs=${maxNumSeqs}, got ${maxNumBatchedTokens}.`,
      maxNumBatchedTokens,
    )
  }
  if (isDraftModel(options.speculativeConfig) && (options.tensorParallelSize ?? 1) > 1) {
    const message = 'A model that drafts runs on one rank; so must the model that it drafts for.'
    throw new InvalidArgumentError('tensorParallelSize', message, options.tensorParallelSize)
  }
  const path = options.model === undefined ? places.bundledModel() : toPath('model', options.model, places)
  const ownTokenizer = options.tokenizer === undefined ? path : toPath('tokenizer', options.tokenizer, places)
  return freeze({
    model: {
      path,
      tokenizerPath: check.boolean('loadTokenizer', options.loadTokenizer ?? true) ? ownTokenizer : undefined,
      chatTemplate: check.optional(check.string, 'chatTemplate', options.chatTemplate),
      dtype: check.choice('dtype', options.dtype ?? 'auto', dtypes),
      quantization: check.string('quantization', options.quantization ?? 'auto'),
      imatrix: options.imatrix === undefined ? undefined : toPath('imatrix', options.imatrix, places),
      packedWeightsCache:
        options.packedWeightsCache === undefined
          ? undefined
          : toPath('packedWeightsCache', options.packedWeightsCache, places),
      maxModelLen: optionalInteger('maxModelLen', options.maxModelLen, 2),
      generationConfig: check.choice('generationConfig', options.generationConfig ?? 'auto', ['auto', 'none']),
      seed: options.seed === undefined ? undefined : check.safeInteger('seed', options.seed),
      maxLogprobs: check.integer('maxLogprobs', options.maxLogprobs ?? 20, -1, 1 << 24),
      logprobsMode: check.choice('logprobsMode', options.logprobsMode ?? 'raw_logprobs', logprobsModes),
    },
    cache: {
      blockSize: check.integer('blockSize', options.blockSize ?? 16, 1, 4096),
      dtype: check.string('kvCacheDtype', options.kvCacheDtype ?? 'auto'),
      numBlocks: optionalInteger('numBlocks', options.numBlocks, 2),
      kvCacheMemoryBytes:
        options.kvCacheMemoryBytes === undefined
          ? undefined
          : check.integer('kvCacheMemoryBytes', options.kvCacheMemoryBytes, 1, Number.MAX_SAFE_INTEGER),
      memoryUtilization: check.number('memoryUtilization', options.memoryUtilization ?? 0.9, { above: 0, atMost: 1 }),
      enablePrefixCaching: check.boolean('enablePrefixCaching', options.enablePrefixCaching ?? true),
    },
    scheduler: {
      maxNumSeqs: Math.min(maxNumSeqs, maxNumBatchedTokens),
      maxNumBatchedTokens,
      enableChunkedPrefill: check.boolean('enableChunkedPrefill', options.enableChunkedPrefill ?? true),
      longPrefillTokenThreshold: check.integer(
        'longPrefillTokenThreshold',
        options.longPrefillTokenThreshold ?? 0,
        0,
        1 << 24,
      ),
      policy: check.choice('schedulingPolicy', options.schedulingPolicy ?? 'fcfs', policies),
      speculative:
        options.speculativeConfig === undefined
          ? undefined
          : parseSpeculative('speculativeConfig', options.speculativeConfig, (name, value) =>
              toPath(name, value, places),
            ),
    },
    device: {
      framework: check.optional(check.string, 'framework', options.framework),
      device: options.device === undefined ? undefined : parseDevice(options.device),
      threads: options.threads === undefined ? undefined : check.integer('threads', options.threads, 1, 1024),
      tensorParallelSize: check.integer('tensorParallelSize', options.tensorParallelSize ?? 1, 1, 64),
      enforceEager: check.boolean('enforceEager', options.enforceEager ?? false),
      restart: check.boolean('restart', options.restart ?? false),
    },
    logitsProcessors: parseProcessorSources('logitsProcessors', options.logitsProcessors ?? {}, path =>
      places.resolve(path),
    ),
  })
}

function optionalInteger(name: string, value: number | undefined, least: number): number | undefined {
  return value === undefined ? undefined : check.integer(name, value, least, 2 ** 31 - 1)
}

function toPath(name: string, value: unknown, places: ModelPlaces): string {
  const path = check.string(name, value)
  if (path === '' || path.includes('\0')) throw new InvalidArgumentError(name, `${name} is not a path`, value)
  return places.resolve(path)
}

function parseDevice(text: unknown): { kind: string; index: number } {
  const match = /^([a-z]+)(?::(\d{1,4}))?$/.exec(check.string('device', text))
  const kind = match?.[1] ?? ''
  if (!(deviceKinds as readonly string[]).includes(kind)) {
    throw new InvalidArgumentError(
      'device',
      `device must be one of ${deviceKinds.join(', ')}, with an index as in cuda:1`,
      text,
    )
  }
  return { kind, index: Number(match?.[2] ?? 0) }
}

function freeze(config: EngineConfig): EngineConfig {
  for (const slice of Object.values(config)) Object.freeze(slice)
  return Object.freeze(config)
}
