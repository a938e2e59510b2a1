// What a tool parser is: it takes the model's text as it streams and tells content from calls. It knows no engine, no
// sockets and no protocol; a format of calls is one file in formats/ and one line in registry.ts.

import type { TagFormat } from '../protocol/structural-tag.js'

/** A JSON object, such as a schema. */
export type JsonObject = Readonly<Record<string, unknown>>

/** A function that the model may call. */
export interface ToolDefinition {
  /** What the model calls it. */
  readonly name: string
  /** JSON schema of the arguments. Formats without types of their own (XML) read the arguments by it. */
  readonly parameters?: JsonObject
  /** Arguments must fit the schema wherever a grammar holds them. */
  readonly strict?: boolean
}

/** Pieces of an answer, in the order of the text. Deltas of arguments, joined, are the JSON text of one object. */
export type ToolEvent =
  | { readonly kind: 'content'; readonly text: string }
  | { readonly kind: 'call'; readonly index: number; readonly id: string; readonly name: string }
  | { readonly kind: 'arguments'; readonly index: number; readonly text: string }

/** Reads one answer. What `push` and `finish` give does not depend on where the text was cut. */
export interface ToolParser {
  /** The events that `delta` decides. */
  push(delta: string): readonly ToolEvent[]
  /** The text is over: whatever was held back. Nothing may be pushed after it. */
  finish(): readonly ToolEvent[]
}

export interface ToolParserOptions {
  readonly tools: readonly ToolDefinition[]
  /** Several calls in one answer. Default true; otherwise only the first call is told. */
  readonly parallelToolCalls?: boolean
  /** Makes the ids of calls, for formats whose text has none. Default: random, in the format's own form. */
  readonly newCallId?: () => string
}

/** Which calls a tag is for. */
export interface CallTagOptions {
  readonly tools: readonly ToolDefinition[]
  readonly parallelToolCalls: boolean
  /** The chat template, where a format is written in several ways. */
  readonly templateSource: string
}

/** A way in which models write calls. */
export interface ToolFormat {
  readonly name: string
  /** Further names, vLLM's `--tool-call-parser` among them. */
  readonly aliases: readonly string[]
  /** The markup has special tokens: the text must be decoded with `skipSpecialTokens: false`. */
  readonly keepsSpecialTokens: boolean
  /** True if a chat template with this source teaches the model the format. */
  taughtBy(templateSource: string): boolean
  /** Ids in the form that the format's templates want; undefined: any. */
  readonly newCallId?: () => string
  createParser(options: ToolParserOptions): ToolParser
  /** How calls look, for a grammar; undefined, or none: it cannot be said. */
  callTag?(options: CallTagOptions): TagFormat | undefined
}
