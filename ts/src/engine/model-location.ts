// Models by name become directories before anything else looks at them.

import { check } from '../config/check.js'
import { type EngineOptions, isDraftModel } from '../config/index.js'
import { type CheckConfig, type PullProgress, type ResolveOptions, resolveModel } from '../hub/index.js'

export interface LocationOptions {
  readonly workingDirectory: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal | undefined
  readonly onDownload: ((progress: PullProgress) => void) | undefined
  /** Of the model itself, where it is pulled. */
  readonly checkConfig: CheckConfig
}

/**
 * The options with paths in place of names.
 * @throws ModelError, HubError, InvalidArgumentError, RequestAbortedError.
 */
export async function locateModel(options: EngineOptions, location: LocationOptions): Promise<EngineOptions> {
  const { model, tokenizer, loadTokenizer, revision, tokenizerRevision, speculativeConfig } = options
  const shared = hubOptions(options, location)
  return {
    ...options,
    ...(model !== undefined && {
      model: await resolveModel(model, {
        ...shared,
        checkConfig: location.checkConfig,
        ...(revision !== undefined && { revision }),
      }),
    }),
    ...(tokenizer !== undefined &&
      loadTokenizer !== false && {
        tokenizer: await resolveModel(tokenizer, {
          ...shared,
          purpose: 'tokenizer',
          ...(tokenizerRevision !== undefined && { revision: tokenizerRevision }),
        }),
      }),
    ...(isDraftModel(speculativeConfig) && {
      speculativeConfig: {
        ...speculativeConfig,
        model: await resolveModel(speculativeConfig.model, {
          ...shared,
          ...(speculativeConfig.revision !== undefined && { revision: speculativeConfig.revision }),
        }),
      },
    }),
  }
}

function hubOptions(
  options: EngineOptions,
  { workingDirectory, env, signal, onDownload }: LocationOptions,
): ResolveOptions {
  const { hfToken, cacheDir, offline } = options
  return {
    workingDirectory,
    env,
    onNotice: message => process.emitWarning(message, 'QuireWarning'),
    ...(hfToken !== undefined && { token: check.string('hfToken', hfToken) }),
    ...(cacheDir !== undefined && { cacheDir: check.string('cacheDir', cacheDir) }),
    ...(offline !== undefined && { offline: check.boolean('offline', offline) }),
    ...(signal !== undefined && { signal }),
    ...(onDownload !== undefined && { onProgress: onDownload }),
  }
}
