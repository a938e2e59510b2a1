// Who is let in: bearer tokens, compared by their SHA-256 in constant time.

import { createHash, timingSafeEqual } from 'node:crypto'
import type { HeaderReader } from './route.js'
import type { GateConfig } from './server-config.js'

/** Beginnings of paths that always ask for a key, if there is one. */
const GUARDED = ['/v1', '/v2', '/inference', '/cohere']

export class ApiKeys {
  readonly #digests: readonly Buffer[]
  readonly #guardsAll: boolean

  constructor({ apiKeys, guardAllPaths }: Pick<GateConfig, 'apiKeys' | 'guardAllPaths'>) {
    this.#digests = apiKeys.map(digestOf)
    this.#guardsAll = guardAllPaths
  }

  /** Whether a request may go on. `path` is without the root path. Preflights are let in by whoever answers them. */
  allows(path: string, headers: HeaderReader): boolean {
    if (this.#digests.length === 0) return true
    if (!this.#guardsAll && !GUARDED.some(beginning => path.startsWith(beginning))) return true
    const token = tokenOf(headers)
    if (token === undefined) return false
    const digest = digestOf(token)
    // Every key is compared, so that the time says nothing about which one matched.
    return this.#digests.reduce((found, key) => timingSafeEqual(key, digest) || found, false)
  }
}

/** From `Authorization: Bearer`, or as Anthropic's clients send it, `X-Api-Key`. */
function tokenOf(headers: HeaderReader): string | undefined {
  const authorization = headers.get('authorization')
  const bearer = authorization === null ? null : /^Bearer +(.+)$/i.exec(authorization.trim())
  return bearer?.[1] ?? headers.get('x-api-key') ?? undefined
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
