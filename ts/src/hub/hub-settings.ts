// Where the hub and its cache are, and who asks: the environment variables of Hugging Face's own tools, under the caller's
// options. Read once per call.

import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { InvalidArgumentError } from '../errors.js'
import { type Fetch, proxyFetch } from './proxy-fetch.js'

/** What a caller may say of the hub; the rest is the environment's. */
export interface HubOptions {
  /** Sent to the hub alone. Default: HF_TOKEN, else the file that `hf auth login` writes. The empty string: none. */
  readonly token?: string
  /** Default: HF_HUB_CACHE, else the folder `hub` in HF_HOME, which is `~/.cache/huggingface`. */
  readonly cacheDir?: string
  /** True: nothing is asked of the hub. Default: HF_HUB_OFFLINE. */
  readonly offline?: boolean
  /** Default: HF_ENDPOINT, else https://huggingface.co. */
  readonly endpoint?: string
}

export interface HubSettings {
  readonly endpoint: URL
  readonly token: string | undefined
  readonly cacheDir: string
  /** What forbids asking the hub, for messages; undefined: it may be asked. */
  readonly offline: string | undefined
  /** False: files are moved or copied into snapshots. */
  readonly symlinks: boolean
  /** By way of the environment's proxy. */
  readonly fetch: Fetch
  /** Milliseconds until the first byte of an answer about a file. */
  readonly metadataTimeoutMs: number
  /** Milliseconds without a byte of a file. */
  readonly downloadTimeoutMs: number
}

type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_ENDPOINT = 'https://huggingface.co'
const DEFAULT_TIMEOUT_SECONDS = 10

/** @throws InvalidArgumentError naming the option or variable that cannot be. */
export async function readHubSettings(options: HubOptions, env: Environment): Promise<HubSettings> {
  const home =
    folderFrom(env, 'HF_HOME') ?? join(folderFrom(env, 'XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface')
  const token = options.token ?? (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? undefined : await findToken(env, home))
  return {
    endpoint: parseEndpoint(options.endpoint ?? (env.HF_ENDPOINT || DEFAULT_ENDPOINT)),
    token: checkToken(token),
    cacheDir: resolve(
      options.cacheDir ??
        folderFrom(env, 'HF_HUB_CACHE') ??
        folderFrom(env, 'HUGGINGFACE_HUB_CACHE') ??
        join(home, 'hub'),
    ),
    offline: whatForbids(options.offline, env),
    symlinks: !isTrue(env.HF_HUB_DISABLE_SYMLINKS),
    fetch: proxyFetch(env),
    metadataTimeoutMs: timeoutFrom(env, 'HF_HUB_ETAG_TIMEOUT'),
    downloadTimeoutMs: timeoutFrom(env, 'HF_HUB_DOWNLOAD_TIMEOUT'),
  }
}

/** Whether HF_HUB_DISABLE_PROGRESS_BARS asks for no bars. */
export function progressBarsDisabled(env: Environment): boolean {
  return isTrue(env.HF_HUB_DISABLE_PROGRESS_BARS)
}

function whatForbids(offline: boolean | undefined, env: Environment): string | undefined {
  if (offline !== undefined) return offline ? 'the option `offline`' : undefined
  return (
    ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].map(name => isTrue(env[name]) && `${name}=${env[name]}`).find(Boolean) ||
    undefined
  )
}

/** The words that Hugging Face's tools take for yes. */
function isTrue(value: string | undefined): boolean {
  return /^(?:1|on|yes|true)$/i.test(value ?? '')
}

/** A folder that a variable names, with `~` and `$NAME` replaced as Hugging Face's tools do. */
function folderFrom(env: Environment, name: string): string | undefined {
  const value = env[name]
  if (value === undefined || value === '') return undefined
  return value
    .replace(/^~(?=$|[\\/])/, homedir())
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => env[braced ?? bare ?? ''] ?? whole)
}

async function findToken(env: Environment, home: string): Promise<string | undefined> {
  const given = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN
  if (given) return given
  return readFile(folderFrom(env, 'HF_TOKEN_PATH') ?? join(home, 'token'), 'utf8').catch(() => undefined)
}

/** @throws InvalidArgumentError, which does not repeat the token. */
function checkToken(token: string | undefined): string | undefined {
  const clean = token?.trim()
  if (clean === undefined || clean === '') return undefined
  if (/^[\x21-\x7e]+$/.test(clean)) return clean
  throw new InvalidArgumentError('token', 'The token of the hub has characters that no header can carry.', '...')
}

function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '') {
    throw new InvalidArgumentError(
      'HF_ENDPOINT',
      'HF_ENDPOINT must be an address such as https://huggingface.co.',
      text,
    )
  }
  return url
}

function timeoutFrom(env: Environment, name: string): number {
  const text = env[name]
  if (text === undefined || text === '') return DEFAULT_TIMEOUT_SECONDS * 1000
  const seconds = Number(text)
  if (Number.isFinite(seconds) && seconds > 0 && seconds <= 86_400) return seconds * 1000
  throw new InvalidArgumentError(name, `${name} must be a number of seconds.`, text)
}
