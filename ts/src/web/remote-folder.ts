// A model's folder at an address. Small files come from the network, and from storage when it is down; large ones go into the
// origin's file system first. What the app put into Cache storage is taken from there.

import { HubError } from '../errors.js'
import { DownloadProgress, type PullProgress } from '../hub/download-progress.js'
import { lentBodyOf } from '../hub/response-body.js'
import { DEFAULT_RETRIES, type RetryPolicy, TransientFailure, throwIfAborted, withRetries } from '../hub/retry.js'
import { cutOff } from './download-failure.js'
import { downloadFile } from './download-file.js'
import { type ModelFile, type ModelFolder, piecesOfBlob } from './model-folder.js'
import { openStoredModel, type StoredModel } from './origin-storage.js'
import { ask, factsOf, type RemoteFacts, type WebHost } from './web-client.js'

export interface RemoteFolderOptions {
  /** Ends with a slash. */
  readonly url: string
  /** Behind the address of each file. */
  readonly query: string
  /** By which address the model is kept, and called. */
  readonly label: string
  readonly headers: Readonly<Record<string, string>>
  /** Where downloads are kept: in the origin's file system, or nowhere. */
  readonly storage: 'opfs' | 'none'
  /** Ask nobody: take what is kept. */
  readonly offline: boolean
  /** Checksums by names of files. */
  readonly sha256: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly onProgress: (progress: PullProgress) => void
}

const RETRIES: RetryPolicy = { ...DEFAULT_RETRIES, attempts: 4, firstWaitMs: 400 }
const PART_BYTES = 16 << 20
const CONNECTIONS = 4
const IDLE_TIMEOUT_MS = 60_000

/** A file at an address whose bytes were not asked for yet. */
interface Announced extends ModelFile {
  readonly url: string
  readonly facts: RemoteFacts
}

export async function openRemoteFolder(options: RemoteFolderOptions): Promise<ModelFolder> {
  const store = options.storage === 'opfs' ? await openStoredModel(options.label) : undefined
  return new RemoteFolder(options, store)
}

const host: WebHost = { fetch: (url, init) => fetch(url, init), isOnline: () => navigator.onLine }

class RemoteFolder implements ModelFolder {
  readonly label: string
  readonly #options: RemoteFolderOptions
  readonly #store: StoredModel | undefined
  readonly #progress: DownloadProgress

  constructor(options: RemoteFolderOptions, store: StoredModel | undefined) {
    this.label = options.label
    this.#options = options
    this.#store = store
    this.#progress = new DownloadProgress(options.onProgress, () => performance.now())
    this.#progress.resolving()
  }

  async open(name: string): Promise<ModelFile | undefined> {
    const path = name.split('/').map(encodeURIComponent).join('/')
    const url = `${new URL(path, this.#options.url).href}${this.#options.query}`
    const held = await inCacheStorage(url)
    if (held !== undefined) return blobFile(name, held)
    return /\.(?:safetensors|gguf)$/i.test(name) ? this.#openLarge(name, url) : this.#openSmall(name, url)
  }

  async fetchAll(files: readonly ModelFile[]): Promise<readonly ModelFile[]> {
    const store = this.#store
    const announced = files.filter(isAnnounced)
    for (const { name, byteLength } of announced) this.#progress.expect(name, byteLength, 0)
    if (store === undefined || announced.length === 0) return files
    const fetched = await exclusively(this.label, this.#options.signal, () =>
      Promise.all(files.map(file => (isAnnounced(file) ? this.#download(store, file) : file))),
    )
    this.#progress.done()
    return fetched
  }

  async close(): Promise<void> {}

  /** By a fresh copy, or the one that is kept if nobody answers. */
  async #openSmall(name: string, url: string): Promise<ModelFile | undefined> {
    const { headers, signal, offline } = this.#options
    try {
      if (offline) throw isOffline(url)
      const bytes = await withRetries(RETRIES, signal, async () => {
        const response = await ask(host, url, { headers, isSmall: true, signal })
        if (response === undefined) return undefined
        return new Uint8Array(await wholeOf(url, response.arrayBuffer()))
      })
      if (bytes === undefined) return undefined
      await this.#store?.writeWhole(name, bytes).catch(() => {}) // a copy for later, which may be missing
      return bytesFile(name, bytes)
    } catch (error) {
      throwIfAborted(signal)
      const kept = isUnreachable(error) ? await this.#store?.file(name) : undefined
      if (kept !== undefined) return blobFile(name, kept)
      // Nobody can tell whether there is one, where the model is kept and this file is not.
      if (isUnreachable(error) && (await this.#store?.file('config.json')) !== undefined) return undefined
      throw error
    }
  }

  async #openLarge(name: string, url: string): Promise<ModelFile | undefined> {
    const { headers, signal, offline } = this.#options
    try {
      if (offline) throw isOffline(url)
      const facts = await withRetries(RETRIES, signal, () => announce(url, headers, signal))
      if (facts === undefined) return undefined
      if (facts.byteLength === undefined) return blobFile(name, await this.#blob(url))
      return this.#announced(name, url, facts, facts.byteLength)
    } catch (error) {
      throwIfAborted(signal)
      const ledger = isUnreachable(error) ? await this.#store?.readLedger(name) : undefined
      const asked = this.#options.sha256[name]?.toLowerCase()
      const isKept = ledger?.isComplete && (asked === undefined || asked === ledger.sha256)
      const kept = isKept ? await this.#store?.file(name) : undefined
      if (kept !== undefined) return blobFile(name, kept)
      if (isUnreachable(error) && ledger === undefined && (await this.#store?.file('config.json')) !== undefined)
        return undefined
      throw error
    }
  }

  #announced(name: string, url: string, facts: RemoteFacts, byteLength: number): Announced {
    const pieces = () => this.#stream(name, url, byteLength)
    return { name, url, facts, byteLength, pieces }
  }

  async #download(store: StoredModel, { name, url, byteLength, facts }: Announced): Promise<ModelFile> {
    const { headers, signal, sha256 } = this.#options
    const ledger = await store.readLedger(name)
    const held = ledger?.etag === (facts.etag ?? null) ? ledger.parts.reduce((sum, { done }) => sum + done, 0) : 0
    this.#progress.restart(name, held)
    await downloadFile(
      {
        host,
        store,
        headers,
        signal,
        retries: RETRIES,
        partBytes: PART_BYTES,
        connections: CONNECTIONS,
        idleTimeoutMs: IDLE_TIMEOUT_MS,
      },
      {
        url,
        name,
        byteLength,
        etag: facts.etag,
        sha256: sha256[name]?.toLowerCase() ?? facts.sha256,
        onBytes: count => this.#progress.received(name, count),
        onRestart: () => this.#progress.restart(name, 0),
        onVerify: () => this.#progress.verifying(name),
      },
    )
    this.#progress.fileDone(name)
    const file = await store.file(name)
    if (file === undefined) throw cutOff(url, 'is gone from storage', false).error
    return blobFile(name, file)
  }

  /** Without storage: from the network as it comes, and on from where it was cut off. */
  async *#stream(name: string, url: string, byteLength: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { headers, signal } = this.#options
    for (let at = 0, attempts = 0; at < byteLength; ) {
      const from = at
      try {
        const asked = from > 0 ? { ...headers, range: `bytes=${from}-${byteLength - 1}` } : headers
        const response = await ask(host, url, { headers: asked, isSmall: false, signal })
        if (response === undefined || (from > 0 && response.status !== 206))
          throw cutOff(url, 'cannot be continued', false).error
        for await (const piece of lentBodyOf(response, IDLE_TIMEOUT_MS)) {
          if (piece.length > byteLength - at) throw cutOff(url, 'brings more bytes than announced', false).error
          at += piece.length
          this.#progress.received(name, piece.length)
          yield piece
        }
        if (at < byteLength) throw cutOff(url, 'ended before its announced length', at > from)
      } catch (error) {
        throwIfAborted(signal)
        if (error instanceof HubError) throw error
        attempts = at > from ? 1 : attempts + 1
        const failure = error instanceof TransientFailure ? error : cutOff(url, 'was cut off', at > from, error)
        if (attempts >= RETRIES.attempts) throw failure.error
        await new Promise(resolve => setTimeout(resolve, RETRIES.firstWaitMs * 2 ** attempts))
      }
    }
    this.#progress.fileDone(name)
  }

  async #blob(url: string): Promise<Blob> {
    const { headers, signal } = this.#options
    return withRetries(RETRIES, signal, async () => {
      const response = await ask(host, url, { headers, isSmall: false, signal })
      if (response === undefined) throw cutOff(url, 'cannot be continued', false)
      return wholeOf(url, response.blob())
    })
  }
}

/** @throws TransientFailure if the answer is cut off. */
async function wholeOf<T>(url: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw cutOff(url, 'was cut off', false, cause)
  }
}

/** Its size, by HEAD or by the first byte. */
async function announce(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<RemoteFacts | undefined> {
  try {
    const response = await ask(host, url, { method: 'HEAD', headers, isSmall: true, signal })
    return response && factsOf(response)
  } catch (error) {
    if (!(error instanceof HubError) || ![400, 405, 501].includes(error.details.status as number)) throw error
  }
  const response = await ask(host, url, { headers: { ...headers, range: 'bytes=0-0' }, isSmall: true, signal })
  if (response === undefined) return undefined
  await response.body?.cancel().catch(() => {})
  const total = /^bytes 0-0\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1]
  const { byteLength, ...facts } = factsOf(response)
  return {
    ...facts,
    byteLength: response.status === 206 ? (total === undefined ? undefined : Number(total)) : byteLength,
  }
}

function isAnnounced(file: ModelFile): file is Announced {
  return 'facts' in file
}

function isUnreachable(error: unknown): boolean {
  if (!(error instanceof HubError)) return false
  return error.code === 'ERR_HUB_OFFLINE' || error.details.reason === 'unreachable'
}

function isOffline(url: string): HubError {
  return new HubError('ERR_HUB_OFFLINE', `${url} is not kept here, and \`offline\` forbids asking for it.`, {
    details: { url, reason: 'offline' },
  })
}

async function inCacheStorage(url: string): Promise<Blob | undefined> {
  if (!('caches' in globalThis)) return undefined
  try {
    const response = await caches.match(url)
    return response?.ok ? await response.blob() : undefined
  } catch {
    return undefined
  }
}

/** One page or Worker of this origin at a time, so that two of them do not write one file. */
function exclusively<T>(url: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (!('locks' in navigator)) return work()
  return navigator.locks.request(`quire-model ${url}`, { signal }, work) as Promise<T>
}

function blobFile(name: string, blob: Blob): ModelFile {
  return { name, byteLength: blob.size, pieces: () => piecesOfBlob(blob) }
}

function bytesFile(name: string, bytes: Uint8Array): ModelFile {
  return {
    name,
    byteLength: bytes.length,
    async *pieces() {
      yield bytes
    },
  }
}
