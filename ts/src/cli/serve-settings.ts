// A command line of `quire serve`, with its file and the environment, to what the engine and the server are told.

import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { EngineOptions } from '../config/index.js'
import type { NodeServerOptions, TlsOptions } from '../server/index.js'
import { parseOptions } from './options.js'
import { normalArguments, oppositeOf } from './serve-arguments.js'
import { argumentsOfFile } from './serve-config-file.js'
import { type ServeSettings, serveAliases, serveRows } from './serve-options.js'
import { UsageError } from './usage-error.js'

/** The name of the bundled model for clients. */
const BUNDLED_NAME = 'quire-tiny'

type Env = Readonly<Record<string, string | undefined>>
type Own = ServeSettings['own']

/** @throws UsageError naming the option. */
export function parseServeSettings(given: readonly string[], env: Env): ServeSettings {
  const {
    engine: { revision, ...engine },
    own,
  } = parseOptions(withFile(given), serveRows)
  const server: Record<string, unknown> = {}
  const rest: Record<string, Own[string]> = {}
  for (const row of serveRows) {
    const value = own[row.name]
    if (value === undefined) continue
    if (row.server === undefined) rest[row.name] = value
    else server[row.server] = row.scale === undefined ? value : (value as number) * row.scale
  }
  const model = modelOf(engine.model, revision)
  return {
    engine: { restart: true, ...engine, ...model, ...engineExtras(rest) },
    server: {
      ...server,
      modelNames: (server.modelNames as string[] | undefined) ?? [engine.model ?? BUNDLED_NAME],
      ...keysOf(server.apiKeys as string[] | undefined, env),
      ...tlsOf(rest),
      ...capOf(rest['override-generation-config']),
    } as NodeServerOptions,
    own: rest,
  }
}

/** Options of the file first, but for those that the command line has too. */
function withFile(given: readonly string[]): readonly string[] {
  const line = normalArguments(given, serveRows, serveAliases)
  const path = line.args.findLast(arg => arg.startsWith('--config='))?.slice('--config='.length)
  if (path === undefined) return line.args
  const file = normalArguments(argumentsOfFile(path), serveRows, serveAliases)
  const nameOf = (arg: string): string => arg.slice(2).split('=', 1)[0] as string
  const kept = file.args.filter(arg => ![nameOf(arg), oppositeOf(nameOf(arg))].some(name => line.names.has(name)))
  return [...kept, ...line.args]
}

function modelOf(model: string | undefined, revision: string | undefined): Pick<EngineOptions, 'model'> {
  if (revision === undefined) return {}
  if (model === undefined || existsSync(model) || model.includes('@')) {
    throw new UsageError('--revision goes with a model by name: --model org/name --revision main.')
  }
  return { model: `${model}@${revision}` }
}

function engineExtras(own: Own): EngineOptions {
  const template = own['chat-template'] as string | undefined
  const generation = own['generation-config'] as string | undefined
  if (generation !== undefined && !['auto', 'vllm', 'none'].includes(generation)) {
    throw new UsageError(`--generation-config is auto or vllm, got '${generation}'.`)
  }
  const processors = own['logits-processors'] as readonly string[] | undefined
  return {
    ...(processors !== undefined && { logitsProcessors: processorsOf(processors) }),
    ...(template !== undefined && { chatTemplate: templateText(template) }),
    ...(generation !== undefined && {
      generationConfig: generation === 'auto' ? ('auto' as const) : ('none' as const),
    }),
  }
}

/** What code runs is said by the operator alone: requests have names. */
function processorsOf(given: readonly string[]): Record<string, string> {
  const pairs = given.map(pair => {
    const [name = '', ...path] = pair.split('=')
    if (name !== '' && path.length > 0) return [name, path.join('=')] as const
    throw new UsageError(`--logits-processors needs names and files, such as ban=./ban.mjs, got '${pair}'.`)
  })
  return Object.fromEntries(pairs)
}

/** A file's text, or the template itself. */
function templateText(given: string): string {
  if (existsSync(given)) return readFileSync(given, 'utf8')
  if (/[{\n]/.test(given)) return given
  throw new UsageError(`--chat-template: there is no file ${basename(given)}, and the text is no Jinja template.`)
}

function keysOf(given: readonly string[] | undefined, env: Env): { apiKeys?: readonly string[] } {
  const fromEnv = env.QUIRE_API_KEY ?? env.VLLM_API_KEY
  if (given !== undefined) return { apiKeys: given }
  return fromEnv === undefined || fromEnv === '' ? {} : { apiKeys: [fromEnv] }
}

function tlsOf(own: Own): { tls?: TlsOptions } {
  const {
    'ssl-keyfile': key,
    'ssl-certfile': cert,
    'ssl-ca-certs': ca,
    'ssl-cert-reqs': reqs,
    'ssl-ciphers': ciphers,
  } = own
  if (key === undefined && cert === undefined) return {}
  if (key === undefined || cert === undefined) throw new UsageError('--ssl-keyfile and --ssl-certfile go together.')
  return {
    tls: {
      key: fileOf('ssl-keyfile', key),
      cert: fileOf('ssl-certfile', cert),
      ...(ca !== undefined && { ca: fileOf('ssl-ca-certs', ca) }),
      ...(Number(reqs ?? 0) > 0 && { requestCert: true }),
      ...(ciphers !== undefined && { ciphers: String(ciphers) }),
    },
  }
}

function fileOf(name: string, path: Own[string]): Buffer {
  try {
    return readFileSync(String(path))
  } catch (error) {
    throw new UsageError(`--${name} cannot be read: ${(error as Error).message}`)
  }
}

/** Of generation_config.json's fields only the cap can be overridden here. */
function capOf(given: Own[string] | undefined): { maxTokensCap?: number } {
  if (given === undefined) return {}
  let fields: unknown
  try {
    fields = JSON.parse(String(given))
  } catch (error) {
    throw new UsageError(`--override-generation-config is not valid JSON: ${(error as Error).message}`)
  }
  const entries = Object.entries((fields ?? {}) as object)
  const other = entries.find(([name]) => name !== 'max_new_tokens')
  if (other !== undefined) throw new UsageError(`--override-generation-config takes max_new_tokens, not ${other[0]}.`)
  const cap: unknown = entries[0]?.[1]
  if (!Number.isInteger(cap)) throw new UsageError('--override-generation-config: max_new_tokens is an integer.')
  return { maxTokensCap: cap as number }
}
