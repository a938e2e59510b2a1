// What an engine is made of, and the plan by which its parts are brought up. Which plan there is, the runtime decides.

import { type Native, Text } from '../binding/index.js'
import type { EngineConfig } from '../config/index.js'
import { RequestAbortedError } from '../errors.js'
import type { LoopEvents, LoopPort } from './loop-port.js'

/** A configuration, and how the loop that serves it is brought up. */
export interface EnginePlan {
  readonly config: EngineConfig
  readonly makeLoop: (events: LoopEvents) => Promise<LoopPort>
  /** The native module of this thread, which has the text side. */
  readonly loadNative: () => Promise<Native>
  /** The text side, where a part of its work is done elsewhere. Default: the tokenizer is read and used here. */
  readonly openText?: (native: Native, chatTemplate: string | undefined) => Promise<Text>
  /** Whether the loop runs in this thread, and with it the framework. */
  readonly isLocal: boolean
}

/** What an engine is made of. */
export interface EngineParts {
  readonly config: EngineConfig
  readonly native: Native
  readonly text: Text | undefined
  readonly loop: LoopPort
}

/** Carries the plan out. @throws ModelError, OutOfMemoryError, TokenizerError. */
export async function openParts(
  { config, makeLoop, loadNative, openText }: EnginePlan,
  events: LoopEvents,
): Promise<EngineParts> {
  const { tokenizerPath, chatTemplate } = config.model
  const native = await loadNative()
  const open = (path: string) => openText?.(native, chatTemplate) ?? Text.load(native, path, chatTemplate)
  const text = tokenizerPath === undefined ? undefined : await open(tokenizerPath)
  return { config, native, text, loop: await makeLoop(events) }
}

/** @throws RequestAbortedError if it is. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new RequestAbortedError(undefined, { cause: signal.reason })
}
