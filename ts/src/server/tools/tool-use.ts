// What a request's tools and tool choice mean for its run: which grammar holds the answer, how the text is decoded, and
// which parser reads it.

import { InvalidArgumentError } from '../../errors.js'
import type { TagFormat } from '../protocol/structural-tag.js'
import { namedCallSchema, requiredCallsSchema } from './call-schemas.js'
import { namedCallParser, requiredCallsParser } from './enforced-calls.js'
import type { JsonObject, ToolDefinition, ToolFormat, ToolParser, ToolParserOptions } from './tool-parser.js'

/** `required` wants at least one call, a name a call of that function. */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string }

export interface ToolUseOptions {
  readonly tools: readonly ToolDefinition[]
  readonly toolChoice: ToolChoice
  /** Default true. */
  readonly parallelToolCalls?: boolean
  /** How the model writes calls when it decides itself; without one, `auto` finds no calls. */
  readonly format?: ToolFormat | undefined
  /** The chat template that teaches the format. */
  readonly templateSource?: string
}

export interface ToolUse {
  /** The JSON schema that the answer must follow; undefined where the model is free. */
  readonly schema?: JsonObject
  /** Decode with `skipSpecialTokens: false`. */
  readonly keepsSpecialTokens: boolean
  /** Reads one answer; undefined if every text is content. */
  createParser(): ToolParser | undefined
  /** What calls look like that the model may make; undefined if it may not, or no grammar can say it. */
  callTag?(): TagFormat | undefined
}

/** @throws InvalidArgumentError for a choice that no tool satisfies. */
export function planToolUse(use: ToolUseOptions): ToolUse {
  const { tools, toolChoice, parallelToolCalls = true, format, templateSource = '' } = use
  const options: ToolParserOptions = {
    tools,
    parallelToolCalls,
    ...(format?.newCallId && { newCallId: format.newCallId }),
  }
  if (toolChoice === 'none') return FREE
  if (toolChoice === 'auto') {
    if (tools.length === 0 || format === undefined) return FREE
    return {
      keepsSpecialTokens: format.keepsSpecialTokens,
      createParser: () => format.createParser(options),
      callTag: () => format.callTag?.({ tools, parallelToolCalls, templateSource }),
    }
  }
  if (tools.length === 0) {
    throw new InvalidArgumentError('toolChoice', 'toolChoice wants a call, and there are no tools.', toolChoice)
  }
  if (toolChoice === 'required') {
    return {
      schema: requiredCallsSchema(tools, parallelToolCalls),
      keepsSpecialTokens: false,
      createParser: () => requiredCallsParser(options),
    }
  }
  const { name } = toolChoice
  const tool = tools.find(one => one.name === name)
  if (tool === undefined) {
    const names = tools.map(one => one.name).join(', ')
    throw new InvalidArgumentError('toolChoice', `toolChoice names no tool of the request: ${names}.`, name)
  }
  return {
    schema: namedCallSchema(tool),
    keepsSpecialTokens: false,
    createParser: () => namedCallParser(name, options),
  }
}

const FREE: ToolUse = { keepsSpecialTokens: false, createParser: () => undefined }
