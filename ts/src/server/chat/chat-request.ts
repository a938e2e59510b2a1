// One turn of a conversation, asked in nobody's wire format: what /v1/chat/completions, /v1/responses and /v1/messages
// translate their bodies into. `ChatTurn` runs it.

import type { SamplingOptions } from '../../config/index.js'
import type { ChatMessage } from '../../engine/index.js'
import type { Truncation } from '../generation/prompt-tokens.js'
import type { ToolChoice, ToolDefinition } from '../tools/index.js'

/** A function that the model may call. */
export interface ChatTool extends ToolDefinition {
  /** What the function is for, as the model reads it. */
  readonly description?: string
}

/** How much a model shall think, where its chat template knows of it. */
export type ReasoningEffort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'

/** How the messages become ids. */
export interface ChatPromptOptions {
  /** End the prompt with the beginning of the assistant's turn. Default: unless the last message is continued. */
  readonly addGenerationPrompt?: boolean
  /** Leave the last message open, to be continued. Default false. */
  readonly continueFinalMessage?: boolean
  /** Another template than the model's own. */
  readonly chatTemplate?: string
  readonly chatTemplateKwargs?: Readonly<Record<string, unknown>>
  readonly documents?: readonly unknown[]
  /** Put the tokenizer's special ids around the rendered text. Default false: the template has them. */
  readonly addSpecialTokens?: boolean
  readonly truncation?: Truncation
}

export interface ChatRequest {
  /** What the request is called in the engine and in the log; the engine's own id is made unique. */
  readonly requestId: string
  /**
   * As chat templates know them, in OpenAI's words: role, content (text, or parts of text), tool_calls, tool_call_id, name,
   * reasoning_content. Arguments of tool calls are objects. `protocol/chat-messages.ts` makes them.
   */
  readonly messages: readonly ChatMessage[]
  readonly tools?: readonly ChatTool[]
  /** Default 'auto' with tools, else 'none'. */
  readonly toolChoice?: ToolChoice
  /** False: at most one call. Default true. */
  readonly parallelToolCalls?: boolean
  /** Laid over the model's own defaults. Without `maxTokens`: as much as fits. `outputKind` is the turn's own matter. */
  readonly sampling?: SamplingOptions
  /** Explore `n` beams instead of drawing. */
  readonly beamSearch?: { readonly lengthPenalty: number }
  /** Draw so many and keep the `n` likeliest. */
  readonly bestOf?: number
  readonly prompt?: ChatPromptOptions
  readonly reasoningEffort?: ReasoningEffort
  /** Most tokens of reasoning: then it is ended. Default: as many as it takes. */
  readonly thinkingTokenBudget?: number
  /** A budget is no mistake where answers have no reasoning. Default false. */
  readonly mayNotReason?: boolean
  /** False: reasoning is cut out of the content and not told. Default true. */
  readonly includeReasoning?: boolean
  /** Give deltas as they come; else one result at the end. */
  readonly stream: boolean
  /** Lower runs first, under the priority policy. */
  readonly priority?: number
  /** Only requests with the same salt share cached blocks. */
  readonly cacheSalt?: string
  readonly signal?: AbortSignal
}
