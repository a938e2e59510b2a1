// From what a user calls a model to a directory with its files: a path that exists is itself, a name is pulled into the
// cache, or found there.

import { stat } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { modelPathOf } from '../config/node.js'
import { HubError, InvalidArgumentError, RequestAbortedError } from '../errors.js'
import { findCached } from './cached-snapshot.js'
import type { PullProgress } from './download-progress.js'
import type { Purpose } from './file-selection.js'
import { nameOf } from './hub-failure.js'
import { type HubOptions, type HubSettings, readHubSettings } from './hub-settings.js'
import { isCommit, type ModelName, neitherPathNorName, parseModelName } from './model-name.js'
import { type CheckConfig, DEFAULT_TOOLS, type PulledModel, type PullTools, pullModel } from './pull-model.js'

export interface ResolveOptions extends HubOptions {
  /** A branch, a tag or a commit. Default: what follows `@` in the name, else `main`. */
  readonly revision?: string
  /** What the files are for. Default 'model'. */
  readonly purpose?: Purpose
  /** Where relative paths begin. Default: the working directory. */
  readonly workingDirectory?: string
  /** Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: PullProgress) => void
  /** Given what config.json says, before weights are looked for and fetched; what it throws ends the pull. */
  readonly checkConfig?: CheckConfig
  /** Told what is worth a warning: such as that the hub does not answer and the cache is used. */
  readonly onNotice?: (message: string) => void
  /** For tests. */
  readonly tools?: PullTools
}

/**
 * The directory of a model, or its GGUF file.
 * @throws ModelError if `model` is no path and no name; HubError; InvalidArgumentError; RequestAbortedError.
 */
export async function resolveModel(model: string, options: ResolveOptions = {}): Promise<string> {
  const path = await existingPath(model, options.workingDirectory ?? process.cwd())
  if (path !== undefined) return modelPathOf(path)
  const { directory, file } = await obtainModel(requireName(model, options), options)
  return file === undefined ? directory : join(directory, ...file.split('/'))
}

/**
 * Pulls a model by name, whatever paths there are, and asks the hub even if all of it is in the cache.
 * @throws as `resolveModel`.
 */
export async function pull(
  model: string,
  options: ResolveOptions = {},
): Promise<PulledModel & { readonly name: ModelName }> {
  const name = requireName(model, options)
  const settings = await readHubSettings(options, options.env ?? process.env)
  if (settings.offline !== undefined) throw offlineError(name, settings, 'Nothing can be pulled')
  return { ...(await pullBy(name, settings, options)), name }
}

/** A model's directory, and the GGUF file in it that is the model, where it is one. */
interface Obtained {
  readonly directory: string
  readonly file?: string
}

async function obtainModel(name: ModelName, options: ResolveOptions): Promise<Obtained> {
  const { purpose = 'model', onNotice = () => {} } = options
  const settings = await readHubSettings(options, options.env ?? process.env)
  const cached = await findCached(settings.cacheDir, name, purpose)
  const complete = cached?.missing.length === 0 ? cached : undefined
  if (complete !== undefined) {
    if (settings.offline !== undefined || (isCommit(name.revision) && complete.hasTokenizer)) return complete
  }
  if (settings.offline !== undefined) {
    const what = cached === undefined ? 'is not in the cache' : `lacks ${cached.missing.join(', ')} in the cache`
    throw offlineError(name, settings, `${nameOf({ model: name.id, revision: name.revision })} ${what}`)
  }
  try {
    // Who has it all need not wait long for a hub that is away.
    return await pullBy(name, settings, options, complete !== undefined)
  } catch (error) {
    if (complete === undefined || !(error instanceof HubError) || !mayUseCache(error)) throw error
    onNotice(`${error.message} Using ${nameOf({ model: name.id, revision: name.revision })} as it is in the cache.`)
    return complete
  }
}

function pullBy(
  name: ModelName,
  settings: HubSettings,
  options: ResolveOptions,
  isHasty = false,
): Promise<PulledModel> {
  const { purpose = 'model', signal = new AbortController().signal, onProgress = () => {}, checkConfig } = options
  const tools = options.tools ?? DEFAULT_TOOLS
  return pullModel({ settings, name, purpose, signal, onProgress, isHasty, tools, ...(checkConfig && { checkConfig }) })
}

/** What is in the cache stays usable when the hub is away or refuses; not when its revision is gone. */
function mayUseCache({ code, details: { reason } }: HubError): boolean {
  if (code === 'ERR_HUB_UNAUTHORIZED') return true
  if (code === 'ERR_HUB_NOT_FOUND') return reason === 'model'
  return code === 'ERR_HUB_DOWNLOAD' && ['unreachable', 'server', 'rate limit', 'answer'].includes(reason as string)
}

async function existingPath(model: string, workingDirectory: string): Promise<string | undefined> {
  if (typeof model !== 'string' || model === '' || model.includes('\0')) {
    throw new InvalidArgumentError('model', 'model must be the path of a folder, or a name on the hub', model)
  }
  const path = isAbsolute(model) ? model : resolve(workingDirectory, model)
  return (await stat(path).catch(() => undefined)) === undefined ? undefined : path
}

function requireName(model: string, options: ResolveOptions): ModelName {
  const name = parseModelName(model, options.revision)
  if (name === undefined) throw neitherPathNorName(model, resolve(options.workingDirectory ?? process.cwd(), model))
  if (options.signal?.aborted)
    throw new RequestAbortedError('The download was aborted.', { cause: options.signal.reason })
  return name
}

function offlineError({ id, revision, gguf }: ModelName, { offline, cacheDir }: HubSettings, start: string): HubError {
  const choice = gguf === undefined ? '' : `:${gguf}`
  const command = `quire pull ${id}${choice}${revision === 'main' ? '' : `@${revision}`}`
  const message = `${start}, and ${offline} forbids asking the hub. Run \`${command}\` where the hub may be asked, or name another folder by HF_HUB_CACHE (it is '${cacheDir}').`
  return new HubError('ERR_HUB_OFFLINE', message, { details: { model: id, revision, cacheDir } })
}
