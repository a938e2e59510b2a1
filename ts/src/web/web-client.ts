// Requests of the loader: a whole answer's head, or a range of bytes. Failures become typed, and are tried again by the caller.

import { throwIfAborted } from '../hub/retry.js'
import { failureOfStatus, isMissing, unreachable } from './download-failure.js'

/** What the loader uses of its runtime. */
export interface WebHost {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly isOnline: () => boolean
}

export interface WebRequest {
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
  /** False: large, so that the browser's own cache does not keep it a second time. */
  readonly isSmall: boolean
  readonly signal: AbortSignal
}

/** The answer; undefined if there is nothing at the address. @throws HubError, TransientFailure, RequestAbortedError. */
export async function ask(host: WebHost, url: string, request: WebRequest): Promise<Response | undefined> {
  const { method = 'GET', headers = {}, isSmall, signal } = request
  let response: Response
  try {
    response = await host.fetch(url, { method, headers, signal, cache: isSmall ? 'no-cache' : 'no-store' })
  } catch (cause) {
    throwIfAborted(signal)
    throw unreachable(url, cause, host.isOnline())
  }
  if (response.ok && !isFallbackPage(url, response)) return response
  await response.body?.cancel().catch(() => {})
  if (isMissing(response.status) || response.ok) return undefined
  throw failureOfStatus(url, response)
}

/** Servers of single-page apps answer every address with their page. */
function isFallbackPage(url: string, { headers }: Response): boolean {
  return /^text\/html\b/.test(headers.get('content-type') ?? '') && !/\.html?(?:$|\?)/.test(url)
}

/** Bytes of a file and what names its content, as far as the server tells. */
export interface RemoteFacts {
  /** Undefined: not announced, or of a compressed form. */
  readonly byteLength: number | undefined
  readonly etag: string | undefined
  /** Of the content, where the hub gives it. */
  readonly sha256: string | undefined
}

export function factsOf({ headers }: Response): RemoteFacts {
  const isEncoded = !/^(?:identity)?$/i.test(headers.get('content-encoding') ?? '')
  const linked = unquoted(headers.get('x-linked-etag'))
  const length = headers.get('x-linked-size') ?? (isEncoded ? null : headers.get('content-length'))
  return {
    byteLength: length !== null && /^\d+$/.test(length) ? Number(length) : undefined,
    etag: linked ?? unquoted(headers.get('etag')),
    sha256: linked !== undefined && /^[0-9a-f]{64}$/i.test(linked) ? linked.toLowerCase() : undefined,
  }
}

function unquoted(tag: string | null): string | undefined {
  return tag === null ? undefined : tag.replace(/^W\//, '').replaceAll('"', '')
}
