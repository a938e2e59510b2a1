// What a call may say beside its messages, in LangChain's spelling, and the same in Quire's.

import type {
  BaseChatModelCallOptions,
  BindToolsInput,
  LangSmithParams,
} from '@langchain/core/language_models/chat_models'
import { convertToOpenAITool } from '@langchain/core/utils/function_calling'
import type { SamplingOptions } from 'quire-llm'
import type { ChatInput, ChatTool, ReasoningEffort, ToolChoice } from 'quire-llm/server'

/** What a call may say, or `bindTools` and `withConfig` bind. */
export interface ChatQuireCallOptions extends BaseChatModelCallOptions {
  /** Functions that the model may call, in any form that LangChain knows. */
  tools?: BindToolsInput[]
  /** `auto`, `none`, `any` or `required`, the name of a tool, or OpenAI's object with a name. */
  tool_choice?: BaseChatModelCallOptions['tool_choice']
  /** False: at most one call. Default true. */
  parallel_tool_calls?: boolean
  /** Laid over the model's. */
  sampling?: SamplingOptions
  /** How much the model shall think, where its chat template knows of it. */
  reasoningEffort?: ReasoningEffort
  /** Further variables of the chat template. */
  chatTemplateKwargs?: Readonly<Record<string, unknown>>
}

/** The names of the options, as they are bound. */
export const callKeys: readonly string[] = [
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'sampling',
  'reasoningEffort',
  'chatTemplateKwargs',
]

/** Options that bind a call of `name`. */
export function forcedCall(name: string): Partial<ChatQuireCallOptions> {
  return { tool_choice: name, parallel_tool_calls: false }
}

/** What traces say of the model. */
export function tracedAs(model: string): LangSmithParams {
  return { ls_model_type: 'chat', ls_provider: 'quire', ls_model_name: model }
}

export function toInput(
  options: Partial<ChatQuireCallOptions>,
  sampling: SamplingOptions,
): Omit<ChatInput, 'messages'> {
  const { tools = [], tool_choice: choice, parallel_tool_calls: parallel } = options
  const { stop, signal, reasoningEffort, chatTemplateKwargs } = options
  return {
    sampling: { ...sampling, ...options.sampling, ...(stop !== undefined && stop.length > 0 && { stop }) },
    ...(tools.length > 0 && { tools: tools.map(toTool), toolChoice: toToolChoice(choice) }),
    ...(parallel !== undefined && { parallelToolCalls: parallel }),
    ...(reasoningEffort !== undefined && { reasoningEffort }),
    ...(chatTemplateKwargs !== undefined && { chatTemplateKwargs }),
    ...(signal !== undefined && { signal }),
  }
}

function toTool(tool: BindToolsInput): ChatTool {
  const { name, description, parameters } = convertToOpenAITool(
    tool as Parameters<typeof convertToOpenAITool>[0],
  ).function
  return {
    name,
    ...(description !== undefined && { description }),
    ...(parameters !== undefined && { parameters: parameters as Readonly<Record<string, unknown>> }),
  }
}

function toToolChoice(choice: ChatQuireCallOptions['tool_choice']): ToolChoice {
  if (choice === undefined) return 'auto'
  if (typeof choice !== 'string') return { name: String(choice.function?.name ?? choice.name) }
  if (choice === 'any') return 'required'
  return choice === 'auto' || choice === 'none' || choice === 'required' ? choice : { name: choice }
}
