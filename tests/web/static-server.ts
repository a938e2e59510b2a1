// A static file server of the tests: ranges, entity tags, and what goes wrong on networks, on demand.

import { createReadStream, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

export interface Served {
  readonly method: string
  readonly path: string
  readonly range: string | undefined
}

/** Answers in place of the server; false: it has not. */
export type Intercept = (request: IncomingMessage, response: ServerResponse, path: string) => boolean

const SHARED = { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' }
const ISOLATION = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }

export class StaticServer {
  readonly requests: Served[] = []
  /** Null: the server serves. */
  intercept: Intercept | undefined
  ranges = true
  /** Answers are such that pages are cross-origin isolated. */
  isolates = false
  /** Answers may be read by pages of other origins. */
  isShared = false
  /** The Content-Security-Policy of answers. */
  policy: string | undefined
  readonly #server: Server
  readonly #folders: ReadonlyMap<string, string>

  private constructor(folders: Readonly<Record<string, string>>) {
    this.#folders = new Map(Object.entries(folders))
    this.#server = createServer((request, response) => this.#serve(request, response))
  }

  /** Serves folders of the disk under their first path segments. */
  static async start(folders: Readonly<Record<string, string>>): Promise<StaticServer> {
    const server = new StaticServer(folders)
    await new Promise<void>(resolve => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url ?? '/', this.url).pathname)
    const { method = 'GET' } = request
    const range = request.headers.range
    this.requests.push({ method, path, range })
    if (this.intercept?.(request, response, path)) return
    const file = this.#find(path)
    if (file === undefined) {
      response.writeHead(404, { ...(this.isShared && SHARED), 'content-type': 'text/plain' }).end('not found')
      return
    }
    const { size, mtimeMs } = statSync(file)
    const headers = {
      ...(this.isolates && ISOLATION),
      ...(this.isShared && SHARED),
      ...(this.policy !== undefined && { 'content-security-policy': this.policy }),
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      etag: `"${size}-${Math.trunc(mtimeMs)}"`,
    }
    const [, from, to] = (this.ranges && /^bytes=(\d+)-(\d*)$/.exec(range ?? '')) || []
    const start = from === undefined ? 0 : Number(from)
    const end = to === undefined || to === '' ? size - 1 : Math.min(size - 1, Number(to))
    if (from !== undefined) {
      response.writeHead(206, {
        ...headers,
        'content-range': `bytes ${start}-${end}/${size}`,
        'content-length': end - start + 1,
      })
    } else response.writeHead(200, { ...headers, 'content-length': size })
    if (method === 'HEAD' || size === 0) response.end()
    else createReadStream(file, { start, end }).pipe(response)
  }

  #find(path: string): string | undefined {
    const [, first = '', ...rest] = normalize(path).split('/')
    const folder = this.#folders.get(first)
    if (folder === undefined) return undefined
    const file = join(folder, ...rest)
    try {
      return statSync(file).isFile() ? file : undefined
    } catch {
      return undefined
    }
  }
}
