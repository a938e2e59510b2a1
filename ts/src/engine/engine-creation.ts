// What comes before an engine on Node is there: its options, the model and the plugin that are chosen by them, and the loop
// that is brought up in one thread or another.

import { loadNative } from '../binding/node.js'
import { check } from '../config/check.js'
import type { EngineConfig, EngineOptions } from '../config/index.js'
import type { OpenRank } from '../executor/index.js'
import type { PullProgress } from '../hub/index.js'
import { type EnginePlan, throwIfAborted } from './engine-plan.js'
import { LoopHost } from './loop-host.js'
import { startLoopThread } from './loop-thread.js'
import { type ChosenModel, chooseModel, rankOpener, type Surroundings, surroundings } from './model-opening.js'
import { nodePlatform } from './node-platform.js'
import { requireModules } from './processor-registry.js'

/** Options of an engine, and who hears how far its creation is. */
export interface CreateOptions extends EngineOptions {
  /** Gets fractions from 0 to 1 while the weights are loaded. */
  readonly onProgress?: (fraction: number) => void
  /** Told how far the download of a model by name is. Default: nobody; `LLM.create` draws a line on a terminal. */
  readonly onDownload?: (progress: PullProgress) => void
  /** Stops a download at once, and the creation between its stages. */
  readonly signal?: AbortSignal
}

/** `thread`: steps run in a thread of their own, as a server wants it; `inline`: in the thread of the caller. */
export type LoopPlace = 'thread' | 'inline'

/** A plan by the user's options, and whether the user went away or failed while it was carried out. */
export interface CheckedPlan extends EnginePlan {
  /** @throws RequestAbortedError if the signal is aborted; what the progress callback threw. */
  throwIfOver(): void
}

/**
 * Checks the options, brings a model by name into the cache and selects the plugin.
 * @throws InvalidArgumentError, ModelError, HubError, NoFrameworkError, RequestAbortedError.
 */
export async function planEngine(options: CreateOptions, place: LoopPlace): Promise<CheckedPlan> {
  const { onProgress, onDownload, signal, ...engineOptions } = check.object('options', options)
  const progress = watched(onProgress === undefined ? undefined : check.callback('onProgress', onProgress))
  throwIfAborted(check.optional(check.signal, 'signal', signal))
  const around = surroundings()
  const chosen = await chooseModel(engineOptions, around, {
    signal,
    onDownload: onDownload === undefined ? undefined : check.callback('onDownload', onDownload),
  })
  throwIfAborted(signal)
  const inThread = place === 'thread' && chosen.selection.kind !== 'registered'
  const plan = inThread
    ? planInThread(chosen, around, progress.tell)
    : planInline(chosen.config, await rankOpener(chosen.selection), progress.tell)
  return {
    ...plan,
    throwIfOver: () => {
      progress.throwIfFailed()
      throwIfAborted(signal)
    },
  }
}

/** The loop in this thread. */
export function planInline(
  config: EngineConfig,
  open: OpenRank,
  onProgress: (fraction: number) => void = () => {},
): EnginePlan {
  return {
    config,
    loadNative,
    isLocal: true,
    makeLoop: events => LoopHost.create(config, open, events, onProgress, nodePlatform),
  }
}

function planInThread(
  { config, selection: { plugin, device } }: ChosenModel,
  { appDirectory, entryScript }: Surroundings,
  onProgress: (fraction: number) => void,
): EnginePlan {
  requireModules(config.logitsProcessors)
  const data = {
    config,
    framework: plugin.name,
    device,
    appDirectory,
    ...(entryScript !== undefined && { entryScript }),
  }
  return { config, loadNative, isLocal: false, makeLoop: events => startLoopThread(data, events, onProgress) }
}

/** Another thread calls `tell`: what the caller's function throws there nobody would catch, so it is kept for the end. */
function watched(onProgress: ((fraction: number) => void) | undefined) {
  const failures: unknown[] = []
  return {
    tell: (fraction: number) => {
      try {
        onProgress?.(fraction)
      } catch (error) {
        failures.push(error)
      }
    },
    throwIfFailed: () => {
      if (failures.length > 0) throw failures[0]
    },
  }
}
