// A call of the AI SDK as one turn of Quire's chat, and what of the call has no meaning here.

import type { SamplingOptions } from 'quire-llm'
import type { ChatInput, ChatTool, ToolChoice } from 'quire-llm/server'
import type { CallOptions, FunctionTool, ToolChoiceOption } from './call-options.js'
import { toConversation } from './conversation.js'

/** The SDK hands these to its caller. */
export type CallWarning = { type: 'unsupported'; feature: string; details?: string }

/** @throws UnsupportedFunctionalityError. */
export function toChatInput(options: CallOptions): { readonly input: ChatInput; readonly warnings: CallWarning[] } {
  const { prompt, tools = [], toolChoice, responseFormat, reasoning, abortSignal, providerOptions } = options
  const functions = tools.filter((tool): tool is FunctionTool => tool.type === 'function')
  const warnings = tools
    .filter(tool => tool.type === 'provider')
    .map(({ id }): CallWarning => ({ type: 'unsupported', feature: `provider-defined tool ${id}` }))
  const { chatTemplateKwargs, ...sampling } = ownOptions(providerOptions)
  // Calls that are enforced leave no room for another form of the answer.
  const enforced = functions.length > 0 && (toolChoice?.type === 'required' || toolChoice?.type === 'tool')
  const structured = enforced ? undefined : structuredOutputs(responseFormat)
  return {
    warnings,
    input: {
      messages: toConversation(prompt),
      sampling: { ...samplingOf(options), ...(structured && { structuredOutputs: structured }), ...sampling },
      ...(functions.length > 0 && { tools: functions.map(toTool), toolChoice: toToolChoice(toolChoice) }),
      ...(reasoning !== undefined && reasoning !== 'provider-default' && { reasoningEffort: reasoning }),
      ...(chatTemplateKwargs !== undefined && { chatTemplateKwargs }),
      ...(abortSignal !== undefined && { signal: abortSignal }),
    },
  }
}

interface OwnOptions extends SamplingOptions {
  readonly chatTemplateKwargs?: Readonly<Record<string, unknown>>
}

/** Checked by the engine, which names what is wrong. */
function ownOptions(providerOptions: CallOptions['providerOptions']): OwnOptions {
  return (providerOptions?.quire ?? {}) as OwnOptions
}

function samplingOf(options: CallOptions): SamplingOptions {
  const { maxOutputTokens, temperature, stopSequences, topP, topK, presencePenalty, frequencyPenalty, seed } = options
  return {
    ...(maxOutputTokens !== undefined && { maxTokens: maxOutputTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(stopSequences !== undefined && stopSequences.length > 0 && { stop: stopSequences }),
    ...(topP !== undefined && { topP }),
    ...(topK !== undefined && { topK }),
    ...(presencePenalty !== undefined && { presencePenalty }),
    ...(frequencyPenalty !== undefined && { frequencyPenalty }),
    ...(seed !== undefined && { seed }),
  }
}

function structuredOutputs(format: CallOptions['responseFormat']): SamplingOptions['structuredOutputs'] {
  if (format?.type !== 'json') return undefined
  return format.schema === undefined ? { jsonObject: true } : { json: format.schema }
}

function toTool({ name, description, inputSchema, strict }: FunctionTool): ChatTool {
  return {
    name,
    ...(description !== undefined && { description }),
    ...(typeof inputSchema === 'object' && { parameters: inputSchema as Readonly<Record<string, unknown>> }),
    ...(strict !== undefined && { strict }),
  }
}

function toToolChoice(choice: ToolChoiceOption | undefined): ToolChoice {
  if (choice === undefined) return 'auto'
  return choice.type === 'tool' ? { name: choice.toolName } : choice.type
}
