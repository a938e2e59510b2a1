// A Worker of the tests: it loads files as an engine's Worker does, without an engine. Bundled for the browser by the test.

import { downloadFile } from '../../ts/dist/web/download-file.js'
import { cachedModels, openStoredModel, removeCachedModels } from '../../ts/dist/web/origin-storage.js'
import { openRemoteFolder } from '../../ts/dist/web/remote-folder.js'

declare const navigator: { readonly onLine: boolean }
declare function addEventListener(type: 'message', listener: (event: { readonly data: Call }) => void): void
declare function postMessage(message: object): void

interface Piecewise {
  pieces(): AsyncIterable<Uint8Array>
}

const stop = new AbortController()
/** Bytes of weights that have come here. */
let received = 0
const retries = { attempts: 4, mostAttempts: 50, firstWaitMs: 20, longestWaitMs: 50, longestAskedWaitMs: 1000 }

async function digestOf(file: Piecewise, onBytes: (count: number) => void = () => {}): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of file.pieces()) {
    pieces.push(piece.slice()) // it is good until the next is asked for
    onBytes(piece.length)
  }
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('')
}

const calls: Readonly<Record<string, (...values: never[]) => Promise<unknown>>> = {
  /** One file in small parts; gives what was told of it. */
  download: async (url: string, job: { byteLength: number; etag?: string; sha256?: string }, partBytes: number) => {
    const store = await openStoredModel(new URL('.', url).href)
    if (store === undefined) throw new Error('there is no file system of the origin')
    const told = { received: 0, restarts: 0, verified: 0 }
    await downloadFile(
      {
        host: { fetch: (address, init) => fetch(address, init), isOnline: () => navigator.onLine },
        store,
        headers: {},
        signal: stop.signal,
        retries,
        partBytes,
        connections: 3,
        idleTimeoutMs: 20_000,
      },
      {
        etag: undefined,
        sha256: undefined,
        ...job,
        url,
        name: 'file.bin',
        onBytes: count => {
          told.received += count
          received += count
        },
        onRestart: () => {
          told.restarts += 1
        },
        onVerify: () => {
          told.verified += 1
        },
      },
    )
    const file = (await store.file('file.bin')) as Blob
    const digest = await digestOf({
      async *pieces() {
        yield new Uint8Array(await file.arrayBuffer())
      },
    })
    return { ...told, digest }
  },
  /** A folder's files as an engine loads them: undefined where there is none. */
  load: async (url: string, names: readonly string[], options: object) => {
    const phases: string[] = []
    const folder = await openRemoteFolder({
      url,
      query: '',
      label: url,
      headers: {},
      storage: 'opfs',
      offline: false,
      sha256: {},
      signal: stop.signal,
      onProgress: ({ phase }) => phases.push(phase),
      ...options,
    })
    const found = await Promise.all(names.map(name => folder.open(name)))
    const files = await folder.fetchAll(found.filter(file => file !== undefined))
    const digests: Record<string, string> = {}
    for (const file of files) {
      digests[file.name] = await digestOf(file, count => {
        if (file.name.endsWith('.safetensors')) received += count
      })
    }
    return { digests, phases }
  },
  received: async () => received,
  abort: async () => stop.abort(),
  cached: () => cachedModels(),
  forget: () => removeCachedModels(),
}

interface Call {
  readonly id: number
  readonly name: string
  readonly values: readonly never[]
}

addEventListener('message', async ({ data: { id, name, values } }) => {
  try {
    postMessage({ id, value: await calls[name]?.(...values) })
  } catch (error) {
    const { code, message, details } = error as { code?: string; message: string; details?: object }
    postMessage({ id, error: { code, message, details } })
  }
})
