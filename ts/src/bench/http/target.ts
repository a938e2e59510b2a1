// Where a server is: a TCP port, with TLS or without, or a Unix socket.

import { InvalidArgumentError } from '../../errors.js'

export interface Target {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** False: certificates are not looked at. */
  readonly verify: boolean
  /** A Unix socket that stands for host and port. */
  readonly socketPath?: string
  /** What comes before every path, without a slash at its end. */
  readonly basePath: string
  /** The `Host` header. */
  readonly authority: string
}

export interface TargetOptions {
  /** Stands for host and port. */
  readonly baseUrl?: string
  readonly host?: string
  readonly port?: number
  readonly uds?: string
  readonly verify?: boolean
}

/** @throws InvalidArgumentError for a URL that is none, or is not of http. */
export function parseTarget({ baseUrl, host = '127.0.0.1', port = 8000, uds, verify = true }: TargetOptions): Target {
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  const text = baseUrl ?? `http://${bracketed}:${port}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw new InvalidArgumentError('baseUrl', 'The base URL must be one of http or https.', text)
  }
  const tls = url.protocol === 'https:'
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (tls ? 443 : 80) : Number(url.port),
    tls,
    verify,
    ...(uds !== undefined && { socketPath: uds }),
    basePath: url.pathname.replace(/\/+$/, ''),
    authority: url.host,
  }
}
