// Where a server listens and what it bears from connections, checked once.

import { check } from '../config/check.js'
import { InvalidArgumentError } from '../errors.js'

/** Certificate and key of a server. */
export interface TlsOptions {
  /** PEM texts. */
  readonly key: string | Buffer
  /** The certificate, followed by those that vouch for it, in PEM. */
  readonly cert: string | Buffer
  /** Authorities that certificates of clients are checked by, in PEM. */
  readonly ca?: string | Buffer
  /** Ask clients for a certificate that `ca` vouches for. */
  readonly requestCert?: boolean
  /** Ciphers in OpenSSL's form. Default: node's. */
  readonly ciphers?: string
}

/** Where a server listens, and what it bears from connections. */
export interface ListenOptions {
  /** Default: all interfaces, as vLLM. */
  readonly host?: string
  /** Default 8000; 0: any that is free. */
  readonly port?: number
  /** Path of a unix socket, instead of host and port. */
  readonly uds?: string
  /** Speak HTTPS. Default: HTTP. */
  readonly tls?: TlsOptions
  /** Connections at once; more are closed. Default 10,000. */
  readonly maxConnections?: number
  /** Bytes of a request's headers. Default 64 KiB. */
  readonly maxHeaderBytes?: number
  /** Default 256. */
  readonly maxHeaders?: number
  /** Milliseconds until the headers of a request must have come. Default 20,000. */
  readonly headersTimeoutMs?: number
  /** Milliseconds that an idle connection is kept. Default 75,000. */
  readonly keepAliveTimeoutMs?: number
}

export interface ListenConfig {
  readonly host: string | undefined
  readonly port: number
  readonly uds: string | undefined
  readonly tls: TlsOptions | undefined
  readonly maxConnections: number
  readonly maxHeaderBytes: number
  readonly maxHeaders: number
  readonly headersTimeoutMs: number
  readonly keepAliveTimeoutMs: number
}

export const listenNames: Readonly<Record<keyof ListenOptions, true>> = {
  host: true,
  port: true,
  uds: true,
  tls: true,
  maxConnections: true,
  maxHeaderBytes: true,
  maxHeaders: true,
  headersTimeoutMs: true,
  keepAliveTimeoutMs: true,
}

const MOST_MS = 2 ** 31 - 1

/** @throws InvalidArgumentError naming the option. */
export function parseListenOptions(options: ListenOptions): ListenConfig {
  const uds = check.optional(check.string, 'uds', options.uds)
  if (uds !== undefined && (options.port !== undefined || options.host !== undefined)) {
    throw new InvalidArgumentError('uds', 'uds stands instead of host and port; give the one or the others.', uds)
  }
  return Object.freeze({
    host: check.optional(check.string, 'host', options.host),
    port: check.integer('port', options.port ?? 8000, 0, 65_535),
    uds,
    tls: options.tls,
    maxConnections: check.integer('maxConnections', options.maxConnections ?? 10_000, 1, 1 << 20),
    maxHeaderBytes: check.integer('maxHeaderBytes', options.maxHeaderBytes ?? 64 << 10, 1024, 64 << 20),
    maxHeaders: check.integer('maxHeaders', options.maxHeaders ?? 256, 1, 10_000),
    headersTimeoutMs: check.integer('headersTimeoutMs', options.headersTimeoutMs ?? 20_000, 1, MOST_MS),
    keepAliveTimeoutMs: check.integer('keepAliveTimeoutMs', options.keepAliveTimeoutMs ?? 75_000, 1, MOST_MS),
  })
}
