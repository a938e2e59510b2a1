// A hub on loopback: repositories of texts and bytes, the API and the redirects of the real one, a second origin that holds
// large files, and faults that a test asks for. It keeps a record of what it was asked.

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Content = string | Buffer

/** What goes wrong with one request. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The connection ends after so many bytes of the body. */
  | { readonly kind: 'cut'; readonly after: number }
  /** The header announces other bytes than come. */
  | { readonly kind: 'length'; readonly announced: number }
  | { readonly kind: 'bytes'; readonly body: Buffer }
  /** Nothing comes after so many bytes, and the connection stays open. */
  | { readonly kind: 'stall'; readonly after: number }
  /** Bytes without an end, and no length. */
  | { readonly kind: 'endless' }
  /** A pause between the pieces of the body. */
  | { readonly kind: 'slow'; readonly pieceBytes: number; readonly pauseMs: number }
  | { readonly kind: 'redirect'; readonly location: string }
  /** The whole file, whatever range was asked for. */
  | { readonly kind: 'no range' }

export interface Asked {
  readonly method: string
  readonly path: string
  readonly origin: 'hub' | 'store'
  readonly authorization: string | undefined
  readonly range: string | undefined
  readonly ifRange: string | undefined
}

interface Commit {
  readonly sha: string
  readonly files: Readonly<Record<string, Content>>
}

export interface Repository {
  /** Commits by revision; each is also there under its own hash. */
  readonly revisions: Readonly<Record<string, Commit>>
  /** Only this token may read it. */
  readonly token?: string
  readonly isGated?: boolean
}

/** Files of this size and more lie in the store, under their sha256. */
const LARGE_BYTES = 1000

export const sha256 = (content: Content): string => createHash('sha256').update(content).digest('hex')
export const gitHash = (content: Content): string =>
  createHash('sha1')
    .update(`blob ${Buffer.byteLength(content)}\0`)
    .update(content)
    .digest('hex')

export const isLarge = (content: Content): boolean => Buffer.byteLength(content) >= LARGE_BYTES
export const etagOf = (content: Content): string => (isLarge(content) ? sha256(content) : gitHash(content))

/** A commit with a hash of its own. */
export function commit(files: Readonly<Record<string, Content>>): Commit {
  const names = Object.entries(files).map(([name, content]) => [name, sha256(content)])
  return { sha: createHash('sha1').update(JSON.stringify(names)).digest('hex'), files }
}

export class HubServer {
  readonly asked: Asked[] = []
  readonly repositories = new Map<string, Repository>()
  /** Names of a listing as the server gives them, in place of the true ones. */
  listedNames: readonly string[] | undefined
  readonly #faults: { readonly matches: (asked: Asked) => boolean; readonly fault: Fault; times: number }[] = []
  readonly #hub: Server
  readonly #store: Server
  /** Answers that are being sent. */
  readonly #timers = new Set<NodeJS.Timeout>()

  private constructor() {
    this.#hub = createServer((request, response) => this.#answer('hub', request, response))
    this.#store = createServer((request, response) => this.#answer('store', request, response))
  }

  static async start(): Promise<HubServer> {
    const server = new HubServer()
    for (const each of [server.#hub, server.#store]) {
      each.keepAliveTimeout = 0 // what a client keeps is open when it uses it again
      await new Promise<void>(resolve => each.listen(0, '127.0.0.1', resolve))
    }
    return server
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`
  }

  get storeOrigin(): string {
    return `http://127.0.0.1:${(this.#store.address() as AddressInfo).port}`
  }

  /** The next `times` requests that match go wrong. */
  fail(matches: (asked: Asked) => boolean, fault: Fault, times = 1): void {
    this.#faults.push({ matches, fault, times })
  }

  /** Requests for content, in order. */
  downloadsOf(content: Content | undefined): Asked[] {
    return this.asked.filter(
      ({ method, path, origin }) =>
        method === 'GET' && origin === 'store' && (content === undefined || path.endsWith(sha256(content))),
    )
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const server of [this.#hub, this.#store]) {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }

  #answer(origin: Asked['origin'], request: IncomingMessage, response: ServerResponse): void {
    const asked: Asked = {
      method: request.method ?? '',
      path: decodeURIComponent((request.url ?? '').replace(/\?.*$/, '')),
      origin,
      authorization: request.headers.authorization,
      range: request.headers.range,
      ifRange: request.headers['if-range'] as string | undefined,
    }
    this.asked.push(asked)
    const entry = this.#faults.find(each => each.times > 0 && each.matches(asked))
    if (entry !== undefined) entry.times -= 1
    const fault = entry?.fault
    const info = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(asked.path)
    const tree = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/([^/]+)$/.exec(asked.path)
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([0-9a-f]{40}|[^/]+)\/(.+)$/.exec(asked.path)
    if (fault?.kind === 'status') response.writeHead(fault.status, fault.headers).end()
    else if (fault?.kind === 'redirect') response.writeHead(302, { location: fault.location }).end()
    else if (origin === 'store') this.#fromStore(asked, response, fault)
    else if (info !== null) this.#info(asked, info[1] as string, info[2] as string, response)
    else if (tree !== null) this.#tree(asked, tree[1] as string, tree[2] as string, response)
    else if (file !== null) this.#file(asked, file.slice(1) as [string, string, string], response, fault)
    else response.writeHead(404).end()
  }

  #commit(asked: Asked, id: string, revision: string, response: ServerResponse): Commit | undefined {
    const refuse = (status: number, code: string): undefined => {
      response.writeHead(status, { 'x-error-code': code, 'x-error-message': `${code} of ${id}` }).end()
    }
    const repository = this.repositories.get(id)
    const isKnown = asked.authorization === `Bearer ${repository?.token}`
    if (repository === undefined) return refuse(asked.authorization === undefined ? 401 : 404, 'RepoNotFound')
    if (repository.isGated && !isKnown) return refuse(403, 'GatedRepo')
    if (repository.token !== undefined && !isKnown) return refuse(401, 'Unauthorized')
    const commits = Object.values(repository.revisions)
    const found = repository.revisions[revision] ?? commits.find(({ sha }) => sha === revision)
    return found ?? refuse(404, 'RevisionNotFound')
  }

  #info(asked: Asked, id: string, revision: string, response: ServerResponse): void {
    const found = this.#commit(asked, id, revision, response)
    if (found === undefined) return
    const siblings = (this.listedNames ?? Object.keys(found.files)).map(rfilename => {
      const content = found.files[rfilename]
      return content === undefined
        ? { rfilename }
        : { rfilename, size: Buffer.byteLength(content), blobId: gitHash(content) }
    })
    json(response, { id, modelId: id, sha: found.sha, private: false, tags: [], downloads: 0, likes: 0, siblings })
  }

  /** What Python's library asks for; ours does not. */
  #tree(asked: Asked, id: string, revision: string, response: ServerResponse): void {
    const found = this.#commit(asked, id, revision, response)
    if (found === undefined) return
    const entries = Object.entries(found.files).map(([path, content]) => {
      const size = Buffer.byteLength(content)
      const lfs = isLarge(content) ? { lfs: { oid: sha256(content), size, pointerSize: 130 } } : {}
      return { type: 'file', oid: gitHash(content), size, path, ...lfs }
    })
    json(response, entries)
  }

  #file(
    asked: Asked,
    [id, revision, name]: readonly [string, string, string],
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const found = this.#commit(asked, id, revision, response)
    if (found === undefined) return
    const content = found.files[name]
    if (content === undefined) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound', 'x-repo-commit': found.sha }).end()
      return
    }
    if (!isLarge(content)) {
      const headers = { 'x-repo-commit': found.sha, etag: `"${gitHash(content)}"` }
      this.#send(asked, Buffer.from(content), headers, response, fault)
      return
    }
    response.writeHead(302, {
      location: `${this.storeOrigin}/${sha256(content)}?signature=secret`,
      'x-repo-commit': found.sha,
      'x-linked-etag': `"${sha256(content)}"`,
      'x-linked-size': String(Buffer.byteLength(content)),
    })
    response.end()
  }

  #fromStore(asked: Asked, response: ServerResponse, fault: Fault | undefined): void {
    const contents = [...this.repositories.values()]
      .flatMap(({ revisions }) => Object.values(revisions))
      .flatMap(({ files }) => Object.values(files))
    const content = contents.find(each => asked.path === `/${sha256(each)}`)
    if (content === undefined) response.writeHead(404).end()
    else this.#send(asked, Buffer.from(content), { etag: `"store-${sha256(content)}"` }, response, fault)
  }

  #send(
    asked: Asked,
    whole: Buffer,
    headers: Readonly<Record<string, string>>,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const isHonoured = asked.ifRange === undefined || asked.ifRange === headers.etag
    const [, first, last] =
      (isHonoured && fault?.kind !== 'no range' && /^bytes=(\d+)-(\d*)$/.exec(asked.range ?? '')) || []
    const start = Number(first ?? 0)
    const end = last ? Math.min(Number(last) + 1, whole.length) : whole.length
    const body = fault?.kind === 'bytes' ? fault.body : whole.subarray(start, end)
    const range = first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${whole.length}` }
    const length = fault?.kind === 'length' ? fault.announced : body.length
    response.writeHead(first === undefined ? 200 : 206, {
      ...headers,
      ...range,
      'accept-ranges': 'bytes',
      ...(fault?.kind !== 'endless' && { 'content-length': String(length) }),
    })
    if (asked.method === 'HEAD') response.end()
    else this.#write(response, body, fault)
  }

  #write(response: ServerResponse, body: Buffer, fault: Fault | undefined): void {
    switch (fault?.kind) {
      case 'cut':
        response.write(body.subarray(0, fault.after), () => this.#later(() => response.destroy(), 20))
        return
      case 'stall':
        response.write(body.subarray(0, fault.after))
        return
      case 'endless':
        this.#pour(response, Buffer.alloc(65_536, 'x'))
        return
      case 'slow':
        this.#drip(response, body, fault.pieceBytes, fault.pauseMs)
        return
      case 'length':
        // As many bytes as announced are a whole answer: the connection stays good for the next.
        if (fault.announced <= body.length) response.end(body.subarray(0, fault.announced))
        else response.write(body.subarray(0, fault.announced), () => this.#later(() => response.destroy(), 20))
        return
      default:
        response.end(body)
    }
  }

  #pour(response: ServerResponse, piece: Buffer): void {
    if (response.destroyed) return
    if (response.write(piece)) this.#later(() => this.#pour(response, piece), 1)
    else response.once('drain', () => this.#pour(response, piece))
  }

  #drip(response: ServerResponse, body: Buffer, pieceBytes: number, pauseMs: number): void {
    if (response.destroyed) return
    response.write(body.subarray(0, pieceBytes))
    if (body.length <= pieceBytes) response.end()
    else this.#later(() => this.#drip(response, body.subarray(pieceBytes), pieceBytes, pauseMs), pauseMs)
  }

  #later(work: () => void, milliseconds: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      work()
    }, milliseconds)
    this.#timers.add(timer)
  }
}

function json(response: ServerResponse, value: unknown): void {
  const text = JSON.stringify(value)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) })
  response.end(text)
}
