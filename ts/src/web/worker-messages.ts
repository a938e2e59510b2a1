// What crosses between the page and the Workers of an engine. Commands and reports of the loop are those of every thread.

import type { PooledLimit } from '../binding/index.js'
import type { BuildName } from '../binding/wasm/builds.js'
import type { WasmMemory } from '../binding/wasm/glue.js'
import type { EngineConfig } from '../config/index.js'
import type { LoopCommand, LoopReport } from '../engine/loop-messages.js'
import type { PortableError } from '../engine/portable-error.js'
import type { PullProgress } from '../hub/download-progress.js'
import type { SmallFile } from './file-selection.js'
import type { ModelSource } from './model-source.js'

export interface WorkerStart {
  readonly config: EngineConfig
  /** Of the model in the module's memory. */
  readonly directory: string
  readonly model: ModelSource
  /** Absent: the model's own. */
  readonly tokenizer?: ModelSource
  readonly storage: 'opfs' | 'none'
  readonly offline: boolean
  readonly sha256: Readonly<Record<string, string>>
  /** A lock that the Worker holds while it lives: the page hears of its end so, whatever ended it. */
  readonly lock: string
}

/** The Worker that reads texts is started with this. */
export interface TextStart {
  /** Of the tokenizer in the module's memory: a folder, or a GGUF file. */
  readonly tokenizerPath: string
  /** The folder of its files. */
  readonly directory: string
  /** A lock as in `WorkerStart`. */
  readonly lock: string
}

/** Calls of the tokenizer. */
export type TextCall =
  | { readonly name: 'encode'; readonly values: readonly [texts: readonly string[], addSpecialTokens: boolean] }
  | {
      readonly name: 'encodePooled'
      readonly values: readonly [texts: readonly string[], pairs: readonly string[], limit: PooledLimit | undefined]
    }
  | { readonly name: 'badWordIds'; readonly values: readonly [words: readonly string[]] }

/** What the page needs of a tokenizer: tables, or its files where only the whole of it turns ids into text. */
export type PageText =
  | {
      readonly kind: 'tables'
      readonly tables: Uint8Array
      readonly plain: TemplateSource
      readonly tools: TemplateSource
    }
  | { readonly kind: 'files'; readonly files: readonly SmallFile[] }

/** A chat template, or why there is none. */
export type TemplateSource = { readonly source: string } | { readonly error: PortableError }

export type PageMessage =
  | { readonly kind: 'start'; readonly start: WorkerStart }
  | {
      readonly kind: 'module'
      readonly module: WebAssembly.Module
      readonly build: BuildName
      /** That compute; absent = as many as pay. */
      readonly threads?: number
    }
  /** Stop loading. */
  | { readonly kind: 'cancel' }
  | { readonly kind: 'commands'; readonly commands: readonly LoopCommand[] }
  | { readonly kind: 'read-texts'; readonly start: TextStart }
  /** Those of the tokenizer, and perhaps others. */
  | { readonly kind: 'text-files'; readonly files: readonly SmallFile[] }
  | { readonly kind: 'text'; readonly id: number; readonly call: TextCall }

/** What an engine's Worker says to one that computes for it. */
export interface ThreadMessage {
  readonly kind: 'thread'
  readonly module: WebAssembly.Module
  readonly memory: WasmMemory
}

export type WorkerMessage =
  /** The lock is held. */
  | { readonly kind: 'locked' }
  | { readonly kind: 'download'; readonly progress: PullProgress }
  /** Those of the tokenizer, and perhaps others. */
  | { readonly kind: 'text-files'; readonly files: readonly SmallFile[] }
  | { readonly kind: 'page-text'; readonly text: PageText }
  | { readonly kind: 'report'; readonly report: LoopReport }
  /** The model, or its tokenizer, cannot be brought up. */
  | { readonly kind: 'failed'; readonly error: PortableError }
  | { readonly kind: 'text'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'text-failed'; readonly id: number; readonly error: PortableError }
