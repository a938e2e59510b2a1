// What an answer of the hub that is no success means, as an error that says what to do.

import { HubError } from '../errors.js'
import { retryAfterMs, TransientFailure } from './retry.js'

/** What was asked for, in words for the reader. */
export interface Subject {
  /** `org/name`. */
  readonly model: string
  readonly revision: string
  readonly file?: string
}

const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

export interface Asked {
  readonly subject: Subject
  readonly endpoint: URL
  readonly hasToken: boolean
}

/** The error for a status of 400 or more; a TransientFailure where another attempt may succeed. */
export function failureOf(response: Response, asked: Asked): HubError | TransientFailure {
  const { subject } = asked
  const word = response.headers.get('x-error-code') ?? ''
  const text = clip(response.headers.get('x-error-message'))
  const details = { ...subject, status: response.status }
  const make = (code: 'ERR_HUB_NOT_FOUND' | 'ERR_HUB_UNAUTHORIZED', reason: string, message: string): HubError =>
    new HubError(code, message, { details: { ...details, reason } })
  const name = nameOf(subject)
  if (TRANSIENT_STATUS.has(response.status)) return transient(response, asked, text)
  if (word === 'GatedRepo') return make('ERR_HUB_UNAUTHORIZED', 'gated', gated(asked))
  if (word === 'RevisionNotFound') {
    const message = `${subject.model} has no revision '${subject.revision}': no branch, tag or commit of this name.`
    return make('ERR_HUB_NOT_FOUND', 'revision', message)
  }
  if (word === 'EntryNotFound') return make('ERR_HUB_NOT_FOUND', 'file', `${name} is not on the hub.`)
  if (word === 'RepoNotFound' || response.status === 404) {
    return make('ERR_HUB_NOT_FOUND', 'model', `${notThere(asked)} ${tokenAdvice(asked)}`)
  }
  if (response.status === 401) {
    const start = asked.hasToken
      ? `The hub refuses the token for ${name}: it may be mistyped or expired.`
      : `The hub gives ${name} to nobody it does not know.`
    return make('ERR_HUB_UNAUTHORIZED', 'token', `${start} ${checkSpelling(asked)} ${tokenAdvice(asked)}`)
  }
  if (response.status === 403) {
    const said = text === '' ? '' : ` It says: ${text}`
    return make('ERR_HUB_UNAUTHORIZED', 'forbidden', `The hub forbids ${name}.${said} ${tokenAdvice(asked)}`)
  }
  const message = `The hub answered ${response.status} for ${name}${text === '' ? '' : `: ${text}`}.`
  return new HubError('ERR_HUB_DOWNLOAD', message, { details })
}

function transient(response: Response, { subject, hasToken }: Asked, text: string): TransientFailure {
  const waitMs = retryAfterMs(response.headers.get('retry-after'), Date.now())
  const isLimit = response.status === 429
  const wait = waitMs === undefined ? '' : ` It asks to wait ${Math.ceil(waitMs / 1000)} s.`
  const advice = isLimit && !hasToken ? ' With a token in HF_TOKEN the limit is higher.' : ' Try again later.'
  const what = isLimit ? 'limits how often it may be asked' : `answered ${response.status}`
  const message = `The hub ${what} for ${nameOf(subject)}${text === '' ? '' : ` (${text})`}.${wait}${advice}`
  const details = { ...subject, status: response.status, reason: isLimit ? 'rate limit' : 'server' }
  return new TransientFailure(new HubError('ERR_HUB_DOWNLOAD', message, { details }), { waitMs })
}

/** No answer came: no network, no such host, a proxy, a cut connection, or a server that says nothing for too long. */
export function unreachable(cause: unknown, endpoint: URL, subject: Subject): TransientFailure {
  const message = `The hub at ${endpoint.host} does not answer (${reasonOf(cause)}). Check the network, the proxy and HF_ENDPOINT.`
  return new TransientFailure(
    new HubError('ERR_HUB_DOWNLOAD', message, { cause, details: { ...subject, reason: 'unreachable' } }),
  )
}

/** What fetch hides in `cause`. */
export function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(inner instanceof Error)) return String(inner)
  const { code } = inner as NodeJS.ErrnoException
  if (inner instanceof AggregateError) return inner.errors.map(reasonOf)[0] ?? String(code)
  return code === undefined || inner.message.includes(code) ? inner.message : `${code}: ${inner.message}`
}

export function nameOf({ model, revision, file }: Subject): string {
  return `${file === undefined ? '' : `${file} of `}${model}${revision === 'main' ? '' : `@${revision}`}`
}

function gated({ subject: { model }, endpoint, hasToken }: Asked): string {
  const page = new URL(`${endpoint.href.replace(/\/$/, '')}/${model}`).href
  const token = hasToken ? 'with the account of your token' : 'then set HF_TOKEN to a token of that account'
  return `${model} is given to those who accept its licence. Accept it at ${page}, ${token}.`
}

function notThere({ subject: { model }, endpoint }: Asked): string {
  return `There is no model '${model}' at ${endpoint.host}. Check the spelling of owner and name.`
}

function checkSpelling({ subject: { model } }: Asked): string {
  return `It may not exist (check the spelling of '${model}'), or be private or gated.`
}

function tokenAdvice({ hasToken }: Asked): string {
  return hasToken
    ? 'If it is private, the token must be allowed to read it: see HF_TOKEN.'
    : 'If it is private, set HF_TOKEN to a token that may read it.'
}

/** A server's words in a message of ours: one line, and not many. */
function clip(text: string | null): string {
  return (text ?? '')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200)
}
