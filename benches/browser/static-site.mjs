// A static host on this machine, cross-origin isolated, so that pages may have shared memory.

import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

const HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cache-control': 'no-store',
}

/** Serves folders under their first path segments. @returns {Promise<{ url: string, close(): void }>} */
export async function openSite(folders) {
  const server = createServer(({ url, method }, response) => {
    const path = normalize(decodeURIComponent(new URL(url, 'http://site').pathname))
    const [, first, ...rest] = path.split('/')
    const file = Object.hasOwn(folders, first) ? join(folders[first], ...rest) : undefined
    const facts = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })
    if (!facts?.isFile()) {
      response.writeHead(404, HEADERS).end()
      return
    }
    const type = TYPES[extname(file)] ?? 'application/octet-stream'
    response.writeHead(200, { ...HEADERS, 'content-type': type, 'content-length': facts.size })
    if (method === 'HEAD') response.end()
    else createReadStream(file).pipe(response)
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
