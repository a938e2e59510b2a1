// What the AI SDK asks of a language model, as far as a text model reads it: the fields that versions 3 and 4 of its
// specification share, and the effort of reasoning that version 4 adds.

import type { ReasoningEffort } from 'quire-llm/server'

export interface PromptPart {
  readonly type: string
  readonly text?: string
  readonly mediaType?: string
  readonly toolCallId?: string
  readonly toolName?: string
  readonly input?: unknown
  readonly output?: ToolOutput
}

export interface ToolOutput {
  readonly type: string
  readonly value?: unknown
  readonly reason?: string
}

export interface PromptMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string | readonly PromptPart[]
}

export interface FunctionTool {
  readonly type: 'function'
  readonly name: string
  readonly description?: string | undefined
  readonly inputSchema: object | boolean
  readonly strict?: boolean | undefined
}

export interface ProviderTool {
  readonly type: 'provider'
  readonly id: string
  readonly name: string
}

export type ToolChoiceOption =
  | { readonly type: 'auto' | 'none' | 'required' }
  | { readonly type: 'tool'; readonly toolName: string }

export interface CallOptions {
  readonly prompt: readonly PromptMessage[]
  readonly maxOutputTokens?: number | undefined
  readonly temperature?: number | undefined
  readonly stopSequences?: readonly string[] | undefined
  readonly topP?: number | undefined
  readonly topK?: number | undefined
  readonly presencePenalty?: number | undefined
  readonly frequencyPenalty?: number | undefined
  readonly responseFormat?:
    | { readonly type: 'text' }
    | { readonly type: 'json'; readonly schema?: object | boolean | undefined }
    | undefined
  readonly seed?: number | undefined
  readonly tools?: readonly (FunctionTool | ProviderTool)[] | undefined
  readonly toolChoice?: ToolChoiceOption | undefined
  readonly reasoning?: 'provider-default' | ReasoningEffort | undefined
  readonly abortSignal?: AbortSignal | undefined
  /** `providerOptions.quire`: sampling parameters of Quire, laid over the others, and `chatTemplateKwargs`. */
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined
}
