// Options of an engine on a web page: those of every engine but what only Node has, with what only pages have.

import { check } from '../config/check.js'
import {
  type EngineConfig,
  type EngineOptions,
  isDraftModel,
  type PromptLookupOptions,
  parseOptions,
} from '../config/index.js'
import { InvalidArgumentError } from '../errors.js'
import type { PullProgress } from '../hub/download-progress.js'
import { checkToken, type ModelSource, resolveHandles, toModelSource, type WebModel } from './model-source.js'

/** What needs a file system, processes or other frameworks. */
type NotHere =
  | 'model'
  | 'speculativeConfig'
  | 'tokenizer'
  | 'cacheDir'
  | 'framework'
  | 'device'
  | 'imatrix'
  | 'packedWeightsCache'
  | 'tensorParallelSize'
  | 'enforceEager'
  | 'restart'
  | 'logitsProcessors'

/** What an engine on a web page can be told: which model, where its downloads are kept, who hears of them. */
export interface WebEngineOptions extends Omit<EngineOptions, NotHere> {
  /** The address of a model's folder or GGUF file, a name on the hub, a handle of a directory or file, or files. */
  readonly model: WebModel
  /** Guess tokens from what was said before; outputs stay the same. Default: no guesses. */
  readonly speculativeConfig?: PromptLookupOptions
  /** Another tokenizer. Default: the model's. */
  readonly tokenizer?: WebModel
  /**
   * Threads that compute, where the page is cross-origin isolated; elsewhere there is one. Default: half of the cores of the device,
   * all of two, and one for the smallest models.
   */
  readonly threads?: number
  /** Where downloads are kept: 'opfs' is the origin's private file system. Default 'opfs', where the browser has it. */
  readonly storage?: 'opfs' | 'none'
  /** SHA-256 of files by their names, in hexadecimal: what comes is compared with them. */
  readonly sha256?: Readonly<Record<string, string>>
  /** Gets fractions from 0 to 1 while the weights go from storage into memory and are made ready. */
  readonly onProgress?: (fraction: number) => void
  /** Told how far the download is. */
  readonly onDownload?: (progress: PullProgress) => void
  /** Stops loading. What has come is kept. */
  readonly signal?: AbortSignal
  /** Where the files of this package are, if not beside its JavaScript. */
  readonly assets?: WebAssets
}

/** Addresses, for bundlers that do not follow `new URL(..., import.meta.url)`. */
export interface WebAssets {
  /** Of `quire-llm/web/worker.js`. */
  readonly worker?: string | URL
  /** Of the folder of the package `@quire-llm/wasm`. */
  readonly wasm?: string | URL
}

/** Sequences that run at once: a page has one user. */
const MAX_NUM_SEQS = 32
/** Each is a Worker. */
const MOST_THREADS = 64
/** Tokens in one step: the Worker hears of aborts between steps. */
const MAX_NUM_BATCHED_TOKENS = 512

export interface WebPlan {
  readonly config: EngineConfig
  /** That compute; undefined = as many as pay. */
  readonly threads: number | undefined
  /** In the module's memory. Of another tokenizer: the same with `-tokenizer` behind it. */
  readonly directory: string
  readonly model: ModelSource
  readonly tokenizer: ModelSource | undefined
  readonly storage: 'opfs' | 'none'
  readonly offline: boolean
  readonly sha256: Readonly<Record<string, string>>
}

export interface OptionPlaces {
  /** What relative addresses are relative to. */
  readonly baseUrl: string
  /** The folder of this engine in the module's memory. */
  readonly directory: string
}

/** The options, with files in place of the handles of GGUF models. @throws ModelError. */
export async function withResolvedHandles(options: WebEngineOptions): Promise<WebEngineOptions> {
  const { model, tokenizer } = check.object('options', options)
  return {
    ...options,
    model: await resolveHandles(model),
    ...(tokenizer !== undefined && { tokenizer: await resolveHandles(tokenizer) }),
  }
}

/** @throws InvalidArgumentError naming the option. */
export function parseWebOptions(options: WebEngineOptions, { baseUrl, directory }: OptionPlaces): WebPlan {
  const { onProgress, onDownload, signal, assets, model, tokenizer, storage, sha256, threads, ...others } = options
  const { revision, tokenizerRevision, hfToken, offline } = others
  for (const name of notHere) {
    if ((others as Partial<Record<string, unknown>>)[name] !== undefined) {
      throw new InvalidArgumentError(name, `\`${name}\` means nothing on a web page.`, undefined)
    }
  }
  if (isDraftModel(others.speculativeConfig)) {
    const message = "A web page has one model in it: `method` can be 'ngram'."
    throw new InvalidArgumentError('speculativeConfig.method', message, 'draft_model')
  }
  if (model === undefined) throw new InvalidArgumentError('model', 'Say which model: its address, or its files.', model)
  const token = checkToken(hfToken)
  const address = { baseUrl, token }
  const ownTokenizer = tokenizer === undefined || others.loadTokenizer === false
  const source = toModelSource('model', model, { ...address, revision })
  const tokenizerSource = ownTokenizer
    ? undefined
    : toModelSource('tokenizer', tokenizer, { ...address, revision: tokenizerRevision })
  const maxNumSeqs = others.maxNumSeqs ?? MAX_NUM_SEQS
  const config = parseOptions(
    {
      ...others,
      model: pathIn(directory, source),
      ...(tokenizerSource !== undefined && { tokenizer: pathIn(`${directory}-tokenizer`, tokenizerSource) }),
      maxNumSeqs,
      maxNumBatchedTokens:
        others.maxNumBatchedTokens ??
        (others.enableChunkedPrefill === false ? 2048 : Math.max(MAX_NUM_BATCHED_TOKENS, Number(maxNumSeqs))),
    },
    { bundledModel: () => directory, resolve: path => path },
  )
  return {
    config,
    threads: threads === undefined ? undefined : check.integer('threads', threads, 1, MOST_THREADS),
    directory,
    model: source,
    tokenizer: tokenizerSource,
    storage: check.choice('storage', storage ?? 'opfs', ['opfs', 'none']),
    offline: check.boolean('offline', offline ?? false),
    sha256: checkSums(sha256 ?? {}),
  }
}

/** A folder, or the GGUF file in it. */
function pathIn(directory: string, { gguf }: ModelSource): string {
  return gguf === undefined ? directory : `${directory}/${gguf}`
}

const notHere = [
  'cacheDir',
  'framework',
  'device',
  'imatrix',
  'packedWeightsCache',
  'tensorParallelSize',
  'enforceEager',
  'restart',
  'logitsProcessors',
] as const

function checkSums(sums: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, sum] of Object.entries(check.object('sha256', sums))) {
    if (typeof sum !== 'string' || !/^[0-9a-f]{64}$/i.test(sum))
      throw new InvalidArgumentError(`sha256.${name}`, 'A SHA-256 is 64 hexadecimal digits.', sum)
  }
  return sums
}
