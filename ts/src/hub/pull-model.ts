// Brings a model into the cache: asks which files there are, fetches those that are needed and not there, side by side, and
// then makes the snapshot. A snapshot that has its config.json has everything.

import { setMaxListeners } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError } from '../errors.js'
import {
  blobPath,
  placeFile,
  repositoryFolder,
  sizeOf,
  snapshotFolder,
  tagCache,
  writeReference,
} from './cache-layout.js'
import { ConnectionLimit } from './connection-limit.js'
import { cacheError, checkRoom, freeBytes } from './disk-space.js'
import { bytesHeld, downloadFile, type PullContext } from './download-file.js'
import { DownloadProgress, type PullProgress } from './download-progress.js'
import {
  CONFIG,
  type Purpose,
  selectFiles,
  selectWeights,
  shardsOf,
  TOKENIZER,
  WEIGHTS_INDEX,
} from './file-selection.js'
import { chooseGguf, isGgufModel } from './gguf-choice.js'
import { HubClient } from './hub-client.js'
import type { HubSettings } from './hub-settings.js'
import { fetchListing, fetchMetadata, type ModelListing, type RemoteFile } from './model-listing.js'
import type { ModelName } from './model-name.js'
import { DEFAULT_RETRIES, Failed, type RetryPolicy, throwIfAborted } from './retry.js'

/** What a pull works with; tests give their own. */
export interface PullTools {
  readonly retries: RetryPolicy
  readonly connections: number
  readonly partBytes: number
  readonly staleLockMs: number
  readonly freeBytes: (path: string) => Promise<number | undefined>
}

export const DEFAULT_TOOLS: PullTools = {
  retries: DEFAULT_RETRIES,
  connections: 8,
  partBytes: 64 * 2 ** 20,
  staleLockMs: 60_000,
  freeBytes,
}

/** Is given the text of config.json and what to call it; throws if nobody can run such a model. */
export type CheckConfig = (text: string, label: string) => Promise<void>

export interface PullRequest {
  readonly settings: HubSettings
  readonly name: ModelName
  readonly purpose: Purpose
  readonly signal: AbortSignal
  readonly onProgress: (progress: PullProgress) => void
  /** The hub is asked once whether something is new, not again and again. */
  readonly isHasty?: boolean
  readonly checkConfig?: CheckConfig
  readonly tools?: PullTools
}

export interface PulledModel {
  readonly commit: string
  /** The snapshot: a model directory. */
  readonly directory: string
  /** The GGUF file in it that is the model, where it is one. */
  readonly file?: string
  /** Files of the snapshot that were needed. */
  readonly files: readonly { readonly name: string; readonly size: number; readonly isNew: boolean }[]
}

/** @throws HubError, RequestAbortedError. */
export async function pullModel(request: PullRequest): Promise<PulledModel> {
  const { settings, signal, tools = DEFAULT_TOOLS } = request
  const stop = new AbortController()
  const joined = AbortSignal.any([signal, stop.signal])
  setMaxListeners(0, joined) // every file listens
  const client = new HubClient(settings, tools.retries, joined)
  // Whatever the caller's function throws ends the pull.
  const tell = (progress: PullProgress): void => {
    try {
      if (!stop.signal.aborted) request.onProgress(progress)
    } catch (error) {
      stop.abort(new Failed(error))
    }
  }
  const progress = new DownloadProgress(tell, () => performance.now())
  try {
    throwIfAborted(joined)
    progress.resolving()
    const asking = request.isHasty === true ? { ...tools.retries, attempts: 1 } : tools.retries
    const asker = new HubClient(settings, asking, joined)
    const listing = await fetchListing(asker, request.name, settings.metadataTimeoutMs)
    const pull = new Pull(request, { client, listing, tools, progress, stop, signal: joined })
    const pulled = await pull.run()
    progress.done()
    throwIfAborted(joined)
    return pulled
  } catch (error) {
    throw cacheError(error, settings.cacheDir)
  }
}

interface PullParts {
  readonly client: HubClient
  readonly listing: ModelListing
  readonly tools: PullTools
  readonly progress: DownloadProgress
  readonly stop: AbortController
  readonly signal: AbortSignal
}

/** One pull under way. */
class Pull {
  readonly #request: PullRequest
  readonly #parts: PullParts
  readonly #context: PullContext
  readonly #repository: string
  readonly #directory: string

  constructor(request: PullRequest, parts: PullParts) {
    const { settings, name } = request
    const { client, listing, tools, progress, signal } = parts
    this.#request = request
    this.#parts = parts
    this.#repository = repositoryFolder(settings.cacheDir, name.id)
    this.#directory = snapshotFolder(this.#repository, listing.commit)
    this.#context = {
      client,
      cacheDir: settings.cacheDir,
      id: name.id,
      commit: listing.commit,
      connections: new ConnectionLimit(tools.connections),
      progress,
      retries: tools.retries,
      partBytes: tools.partBytes,
      idleTimeoutMs: settings.downloadTimeoutMs,
      staleLockMs: tools.staleLockMs,
      signal,
    }
  }

  async run(): Promise<PulledModel> {
    const { name, purpose } = this.#request
    const { listing } = this.#parts
    const present = [...listing.files.keys()]
    if (name.gguf !== undefined || (purpose === 'model' && isGgufModel(present, undefined)))
      return this.#runGguf(present)
    const files = selectFiles(present, purpose)
    const required = purpose === 'model' ? CONFIG : TOKENIZER
    if (!files.includes(required)) throw this.#lacks(required)
    const checked = purpose === 'model' ? await this.#checkConfig() : []
    if (purpose === 'model') files.push(selectWeights(present, name.id))
    const pulled = [
      ...checked,
      ...(await this.#bring(files.filter(file => !checked.some(({ name }) => name === file)))),
    ]
    if (files.includes(WEIGHTS_INDEX)) pulled.push(...(await this.#bring(await this.#shards(pulled))))
    return this.#finish(pulled)
  }

  async #runGguf(present: readonly string[]): Promise<PulledModel> {
    const { id, gguf } = this.#request.name
    const files = chooseGguf(present, gguf, id)
    for (const file of files) if (!present.includes(file)) throw this.#lacks(file)
    return { ...(await this.#finish(await this.#bring(files))), file: files[0] }
  }

  /** Makes the snapshot of files that are there. */
  async #finish(pulled: readonly Brought[]): Promise<PulledModel> {
    const { name } = this.#request
    const { listing } = this.#parts
    await this.#place(pulled)
    const referring = writeReference(this.#repository, name.revision, listing.commit)
    // A cache that has everything may be one that cannot be written.
    await (pulled.some(({ etag }) => etag !== undefined) ? referring : referring.catch(() => {}))
    return {
      commit: listing.commit,
      directory: this.#directory,
      files: pulled.map(({ name, size, isNew }) => ({ name, size, isNew })),
    }
  }

  /** Brings config.json before everything else if somebody wants to see it. */
  async #checkConfig(): Promise<Brought[]> {
    const { checkConfig, name } = this.#request
    if (checkConfig === undefined) return []
    const brought = await this.#bring([CONFIG])
    await checkConfig(await this.#textOf(brought[0] as Brought), `${CONFIG} of ${name.id}`)
    return brought
  }

  /** The text of a file, which lies in its blob or, from an earlier pull, in the snapshot. */
  #textOf({ name, etag }: Brought): Promise<string> {
    return readFile(etag === undefined ? join(this.#directory, name) : blobPath(this.#repository, etag), 'utf8')
  }

  /** The shards of the index. */
  async #shards(pulled: readonly Brought[]): Promise<string[]> {
    const index = pulled.find(({ name }) => name === WEIGHTS_INDEX) as Brought
    const shards = shardsOf(await this.#textOf(index), this.#request.name.id)
    for (const shard of shards) if (!this.#parts.listing.files.has(shard)) throw this.#lacks(shard)
    return shards
  }

  /** Files as blobs, or as they are in the snapshot already. */
  async #bring(names: readonly string[]): Promise<Brought[]> {
    const { client, listing, tools, progress } = this.#parts
    const { id } = this.#request.name
    const { metadataTimeoutMs, cacheDir } = this.#request.settings
    const found = await this.#all(names, async (name): Promise<Brought | RemoteFile> => {
      const size = await sizeOf(join(this.#directory, name))
      const announced = listing.files.get(name)
      if (size !== undefined && (announced === undefined || announced === size)) {
        return { name, size, etag: undefined, isNew: false }
      }
      return this.#context.connections.run(() => fetchMetadata(client, id, listing, name, metadataTimeoutMs))
    })
    const wanted = found.filter((file): file is RemoteFile => file.etag !== undefined)
    const held = await Promise.all(wanted.map(file => bytesHeld(this.#context, file)))
    for (const { name, size } of found) progress.expect(name, size, size)
    for (const [index, { name, size }] of wanted.entries()) progress.expect(name, size, held[index] as number)
    const needed = wanted.reduce((sum, { size }, index) => sum + size - (held[index] as number), 0)
    if (needed > 0) checkRoom(needed, await roomAt(cacheDir, tools), cacheDir)
    return this.#all(found, async file => {
      const isNew = file.etag !== undefined && (await downloadFile(this.#context, file as RemoteFile))
      progress.fileDone(file.name)
      return { ...file, isNew }
    })
  }

  /** Links what is not in the snapshot yet; the file by which it counts as complete comes last. */
  async #place(files: readonly Brought[]): Promise<void> {
    const { settings } = this.#request
    const missing = files.filter(({ etag }) => etag !== undefined)
    if (missing.length > 0) await tagCache(settings.cacheDir)
    const last = [WEIGHTS_INDEX, TOKENIZER, CONFIG]
    const inOrder = [...missing].sort((a, b) => last.indexOf(a.name) - last.indexOf(b.name))
    for (const { name, etag, isNew } of inOrder) {
      const blob = blobPath(this.#repository, etag as string)
      const isShared = inOrder.filter(other => other.etag === etag).length > 1
      await placeFile(blob, join(this.#directory, ...name.split('/')), {
        symlinks: settings.symlinks,
        isNew: isNew && !isShared,
      })
    }
  }

  /** All at once; the first error stops the others and is thrown when they have ended. */
  async #all<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
    const { stop, signal } = this.#parts
    const results = await Promise.allSettled(
      items.map(item =>
        work(item).catch((error: unknown) => {
          stop.abort(new Failed(error))
          throw error
        }),
      ),
    )
    throwIfAborted(signal)
    return results.map(result => (result as PromiseFulfilledResult<Out>).value)
  }

  #lacks(file: string): HubError {
    const { id, revision } = this.#request.name
    const message = `${id} has no ${file} at revision '${revision}': Quire cannot use it.`
    return new HubError('ERR_HUB_NOT_FOUND', message, { details: { model: id, revision, file, reason: 'file' } })
  }
}

/** A file that is in its blob, or without an entity tag in the snapshot. */
interface Brought {
  readonly name: string
  readonly size: number
  readonly etag: string | undefined
  readonly isNew: boolean
}

/** Room where the cache is, or will be. */
async function roomAt(cacheDir: string, tools: PullTools): Promise<number | undefined> {
  let path = cacheDir
  for (let free = await tools.freeBytes(path); ; free = await tools.freeBytes(path)) {
    const parent = join(path, '..')
    if (free !== undefined || parent === path) return free
    path = parent
  }
}
