// Requests to the hub: redirects are followed here, so that the token goes to the hub's own origin and to nobody else, and
// every wait has an end. It knows no files.

import { HubError, InvalidArgumentError } from '../errors.js'
import { type Asked, failureOf, nameOf, type Subject, unreachable } from './hub-failure.js'
import type { HubSettings } from './hub-settings.js'
import type { Fetch } from './proxy-fetch.js'
import { bodyOf, discard } from './response-body.js'
import { type RetryPolicy, TransientFailure, throwIfAborted, withRetries } from './retry.js'

const MOST_REDIRECTS = 10
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Most bytes of an answer that is read as a whole. */
const MOST_JSON_BYTES = 64 * 2 ** 20

/** Milliseconds for the whole of such an answer. */
const JSON_TIMEOUT_MS = 120_000

export interface HubRequest {
  readonly method: 'GET' | 'HEAD'
  /** Below the endpoint, each part percent-encoded. */
  readonly path: string
  readonly subject: Subject
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** True for an answer that is wanted although it redirects. */
  readonly endsAt?: (response: Response) => boolean
}

export class HubClient {
  readonly endpoint: URL
  readonly #token: string | undefined
  readonly #fetch: Fetch
  readonly #retries: RetryPolicy
  readonly #signal: AbortSignal

  constructor({ endpoint, token, fetch }: HubSettings, retries: RetryPolicy, signal: AbortSignal) {
    this.endpoint = endpoint
    this.#token = token
    this.#fetch = fetch
    this.#retries = retries
    this.#signal = signal
  }

  /** An answer of the hub, tried again while that may help. @throws HubError, RequestAbortedError. */
  request(request: HubRequest): Promise<Response> {
    return withRetries(this.#retries, this.#signal, () => this.open(request, this.#signal))
  }

  /** The answer as JSON. @throws HubError, RequestAbortedError. */
  json(request: HubRequest): Promise<unknown> {
    return withRetries(this.#retries, this.#signal, async () => {
      const response = await this.open(request, this.#signal)
      return this.#parse(await this.#text(response, request), request.subject)
    })
  }

  /** One attempt. @throws TransientFailure where another may succeed; HubError. */
  async open(request: HubRequest, signal: AbortSignal): Promise<Response> {
    const { subject } = request
    const asked: Asked = { subject, endpoint: this.endpoint, hasToken: this.#token !== undefined }
    const response = await this.#follow(request, signal)
    if (response.status < 400) return response
    await discard(response)
    throw failureOf(response, asked)
  }

  async #follow(request: HubRequest, signal: AbortSignal): Promise<Response> {
    const { method, subject, timeoutMs, endsAt = () => false } = request
    let url = new URL(`${this.endpoint.href.replace(/\/$/, '')}/${request.path}`)
    let isTrusted = true
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      isTrusted &&= url.origin === this.endpoint.origin
      const headers = {
        'accept-encoding': 'identity',
        'user-agent': 'quire-llm',
        ...request.headers,
        ...(isTrusted && this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
      }
      const response = await this.#send(url, { method, headers, redirect: 'manual' }, { timeoutMs, signal, subject })
      if (!REDIRECTS.has(response.status) || endsAt(response)) return response
      await discard(response)
      url = nextUrl(url, response.headers.get('location'), subject)
    }
    throw new HubError('ERR_HUB_DOWNLOAD', `The hub redirects ${nameOf(subject)} in a circle.`, {
      details: { ...subject, reason: 'redirect' },
    })
  }

  async #send(
    url: URL,
    init: RequestInit,
    { timeoutMs, signal, subject }: { timeoutMs: number; signal: AbortSignal; subject: Subject },
  ): Promise<Response> {
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(new Error(`no answer for ${timeoutMs / 1000} s`)), timeoutMs)
    try {
      return await this.#fetch(url, { ...init, signal: AbortSignal.any([signal, limit.signal]) })
    } catch (error) {
      throwIfAborted(signal)
      if (error instanceof InvalidArgumentError) throw error // the address of the proxy
      throw unreachable(limit.signal.aborted ? limit.signal.reason : error, url, subject)
    } finally {
      clearTimeout(timer)
    }
  }

  async #text(response: Response, { subject, timeoutMs }: HubRequest): Promise<string> {
    const parts: Uint8Array[] = []
    let length = 0
    const ends = Date.now() + JSON_TIMEOUT_MS
    try {
      for await (const part of bodyOf(response, timeoutMs)) {
        parts.push(part)
        length += part.length
        if (length > MOST_JSON_BYTES || Date.now() > ends) throw tooMuch(subject)
      }
    } catch (error) {
      if (error instanceof HubError) throw error
      throwIfAborted(this.#signal)
      throw unreachable(error, this.endpoint, subject)
    }
    return Buffer.concat(parts).toString('utf8')
  }

  #parse(text: string, subject: Subject): unknown {
    try {
      return JSON.parse(text)
    } catch (cause) {
      const message = `What ${this.endpoint.host} says of ${nameOf(subject)} is no answer of a hub. Check HF_ENDPOINT and the proxy.`
      const error = new HubError('ERR_HUB_DOWNLOAD', message, { cause, details: { ...subject, reason: 'answer' } })
      throw new TransientFailure(error)
    }
  }
}

function nextUrl(from: URL, location: string | null, subject: Subject): URL {
  const refuse = (why: string): HubError =>
    new HubError('ERR_HUB_DOWNLOAD', `The hub redirects ${nameOf(subject)} ${why}.`, {
      details: { ...subject, reason: 'redirect' },
    })
  if (location === null || !URL.canParse(location, from.href)) throw refuse('to nowhere')
  const url = new URL(location, from.href)
  if (!/^https?:$/.test(url.protocol)) throw refuse(`to ${url.protocol}`)
  if (from.protocol === 'https:' && url.protocol === 'http:') throw refuse('from https to http')
  return url
}

function tooMuch(subject: Subject): HubError {
  return new HubError('ERR_HUB_DOWNLOAD', `What the hub says of ${nameOf(subject)} does not end.`, {
    details: { ...subject, reason: 'answer' },
  })
}
