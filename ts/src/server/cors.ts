// What pages of other origins may do: nothing, unless the operator named their origin.

import type { HeaderReader } from './route.js'
import type { GateConfig } from './server-config.js'

type CorsConfig = Pick<GateConfig, 'allowedOrigins' | 'allowedMethods' | 'allowedHeaders' | 'allowCredentials'>

/** Seconds for which a browser may keep the answer of a preflight. */
const PREFLIGHT_SECONDS = '600'
const ALL_METHODS = 'GET, POST, DELETE, OPTIONS, HEAD'

export class Cors {
  readonly #config: CorsConfig
  readonly #allowsAll: boolean

  constructor(config: CorsConfig) {
    this.#config = config
    this.#allowsAll = config.allowedOrigins.includes('*')
  }

  /** What a reply to this request says to the browser; nothing for origins that are not allowed. */
  headersFor(headers: HeaderReader): Readonly<Record<string, string>> | undefined {
    const origin = headers.get('origin')
    if (origin === null || !this.#allows(origin)) return undefined
    const { allowCredentials } = this.#config
    // With credentials the browser wants the origin itself, not the star.
    const named = this.#allowsAll && !allowCredentials ? '*' : origin
    return {
      'access-control-allow-origin': named,
      ...(named !== '*' && { vary: 'Origin' }),
      ...(allowCredentials && { 'access-control-allow-credentials': 'true' }),
      'access-control-expose-headers': 'X-Request-Id',
    }
  }

  /** The answer of a preflight; undefined if the origin is not allowed. */
  preflight(headers: HeaderReader): Readonly<Record<string, string>> | undefined {
    const common = this.headersFor(headers)
    if (common === undefined) return undefined
    const { allowedMethods, allowedHeaders } = this.#config
    const asked = headers.get('access-control-request-headers')
    const names = allowedHeaders.includes('*') ? (asked ?? '*') : allowedHeaders.join(', ')
    return {
      ...common,
      'access-control-allow-methods': allowedMethods.includes('*') ? ALL_METHODS : allowedMethods.join(', '),
      'access-control-allow-headers': names,
      'access-control-max-age': PREFLIGHT_SECONDS,
    }
  }

  /**
   * Whether a page of another site may have caused this request. Browsers send requests without a JSON body without asking
   * first; those of origins that are not allowed must not change anything.
   */
  isForeign(headers: HeaderReader): boolean {
    const origin = headers.get('origin')
    if (origin === null || this.#allows(origin)) return false
    return origin.replace(/^\w+:\/\//, '').toLowerCase() !== (headers.get('host') ?? '').toLowerCase()
  }

  #allows(origin: string): boolean {
    return this.#allowsAll || this.#config.allowedOrigins.includes(origin)
  }
}
