// What a request's tools and tool choice mean for its run: which grammar holds the answer, how the text is decoded, and
// which parser reads it.

import type { JsonObject, ToolDefinition, ToolFormat, ToolParser } from './tool-parser.js'

/** `required` wants at least one call, a name a call of that function. */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string }

export interface ToolUseOptions {
  readonly tools: readonly ToolDefinition[]
  readonly toolChoice: ToolChoice
  /** Default true. */
  readonly parallelToolCalls?: boolean
  /** How the model writes calls when it decides itself; without one, `auto` finds no calls. */
  readonly format?: ToolFormat | undefined
}

export interface ToolUse {
  /** The JSON schema that the answer must follow; undefined where the model is free. */
  readonly schema?: JsonObject
  /** Decode with `skipSpecialTokens: false`. */
  readonly keepsSpecialTokens: boolean
  /** Reads one answer; undefined if every text is content. */
  createParser(): ToolParser | undefined
}
