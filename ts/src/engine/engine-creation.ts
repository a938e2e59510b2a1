// What comes before an engine is there: its options, the model and the plugin that are chosen by them, the loop that is
// brought up in one thread or another, and the tokenizer.

import { loadNative, type Native, Text } from '../binding/index.js'
import { check } from '../config/check.js'
import type { EngineConfig, EngineOptions } from '../config/index.js'
import { RequestAbortedError } from '../errors.js'
import type { OpenRank } from '../executor/index.js'
import type { PullProgress } from '../hub/index.js'
import { LoopHost } from './loop-host.js'
import type { LoopEvents, LoopPort } from './loop-port.js'
import { LoopThread } from './loop-thread.js'
import { type ChosenModel, chooseModel, rankOpener, type Surroundings, surroundings } from './model-opening.js'

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

/** A configuration, and how the loop that serves it is brought up. */
export interface EnginePlan {
  readonly config: EngineConfig
  readonly makeLoop: (events: LoopEvents) => Promise<LoopPort>
}

/** What an engine is made of. */
export interface EngineParts {
  readonly config: EngineConfig
  readonly native: Native
  readonly text: Text | undefined
  readonly loop: LoopPort
}

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
  return { config, makeLoop: events => LoopHost.create(config, open, events, onProgress) }
}

function planInThread(
  { config, selection: { plugin, device } }: ChosenModel,
  { appDirectory, entryScript }: Surroundings,
  onProgress: (fraction: number) => void,
): EnginePlan {
  const data = {
    config,
    framework: plugin.name,
    device,
    appDirectory,
    ...(entryScript !== undefined && { entryScript }),
  }
  return { config, makeLoop: events => LoopThread.create(data, events, onProgress) }
}

/** Carries the plan out. @throws ModelError, OutOfMemoryError, TokenizerError. */
export async function openParts({ config, makeLoop }: EnginePlan, events: LoopEvents): Promise<EngineParts> {
  const { tokenizerPath, chatTemplate } = config.model
  const native = await loadNative()
  const text = tokenizerPath === undefined ? undefined : await Text.load(native, tokenizerPath, chatTemplate)
  return { config, native, text, loop: await makeLoop(events) }
}

/** @throws RequestAbortedError if it is. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new RequestAbortedError(undefined, { cause: signal.reason })
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
