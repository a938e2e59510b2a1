// A registry on this machine that has packed packages, and sends for all others to the one that npm is set to.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import { run, succeeded } from '../apps/run-program.js'
import { npm } from '../apps/runtimes.js'

interface PackedPackage {
  readonly manifest: { readonly name: string; readonly version: string }
  /** Path of the tarball. */
  readonly tarball: string
}

export class PackageRegistry {
  readonly url: string
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  }

  /** @param tarballs their paths. */
  static async listen(tarballs: readonly string[], folder: string): Promise<PackageRegistry> {
    const upstream = succeeded(await run([npm, 'config', 'get', 'registry'], folder)).trim()
    const packages = await Promise.all(
      tarballs.map(async tarball => {
        const manifest = succeeded(await run(['tar', '-xOf', tarball, 'package/package.json'], folder))
        return { manifest: JSON.parse(manifest) as PackedPackage['manifest'], tarball }
      }),
    )
    const server = createServer(({ url = '', headers }, response) => {
      answer(decodeURIComponent(url.slice(1)), `http://${headers.host}/`, packages, upstream, response).catch(
        (error: unknown) => response.writeHead(500).end(String(error)),
      )
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new PackageRegistry(server)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

async function answer(
  path: string,
  self: string,
  packages: readonly PackedPackage[],
  upstream: string,
  response: ServerResponse,
): Promise<void> {
  const file = packages.find(({ tarball }) => path === `tarballs/${basename(tarball)}`)
  if (file !== undefined) {
    response.end(await readFile(file.tarball))
    return
  }
  const found = packages.find(({ manifest }) => manifest.name === path)
  if (found === undefined) {
    response.writeHead(302, { location: new URL(path.replace('/', '%2f'), upstream).href }).end()
    return
  }
  const { manifest, tarball } = found
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(tarball))
    .digest('base64')}`
  const version = { ...manifest, dist: { tarball: `${self}tarballs/${basename(tarball)}`, integrity } }
  const body = {
    name: manifest.name,
    'dist-tags': { latest: manifest.version },
    versions: { [manifest.version]: version },
  }
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}
