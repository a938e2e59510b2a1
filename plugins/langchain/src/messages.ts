// LangChain's messages as Quire's conversation, and Quire's answers as LangChain's messages. LangChain's own spelling of
// their fields stays in here.

import { AIMessage, AIMessageChunk, type BaseMessage, type UsageMetadata } from '@langchain/core/messages'
import { InvalidArgumentError } from 'quire-llm'
import type {
  ChatChoice,
  ChatFinish,
  ChatPart,
  ChatUsage,
  ConversationMessage,
  ConversationToolCall,
} from 'quire-llm/server'

/** @throws InvalidArgumentError for contents that are no text, and roles that are none. */
export function toConversation(messages: readonly BaseMessage[]): ConversationMessage[] {
  return messages.map((message): ConversationMessage => {
    const role = roleOf(message)
    const content = textOf(message)
    if (role === 'assistant') return assistantMessage(message, content)
    if (role !== 'tool') return { role, content }
    const { tool_call_id: toolCallId, name } = message as BaseMessage & { readonly tool_call_id?: string }
    return { role, toolCallId: toolCallId ?? '', content, ...(name !== undefined && { name }) }
  })
}

function assistantMessage(message: BaseMessage, content: string): ConversationMessage {
  const { tool_calls: calls = [] } = message as AIMessage
  const reasoning = message.additional_kwargs.reasoning_content
  const toolCalls = calls.map(({ id = '', name, args }): ConversationToolCall => ({ id, name, arguments: args }))
  return {
    role: 'assistant',
    content,
    ...(typeof reasoning === 'string' && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
  }
}

function roleOf(message: BaseMessage): ConversationMessage['role'] {
  switch (message.type) {
    case 'human':
      return 'user'
    case 'ai':
      return 'assistant'
    case 'system':
      return 'system'
    case 'developer':
      return 'developer'
    case 'tool':
      return 'tool'
    case 'generic': {
      const { role } = message as BaseMessage & { readonly role?: string }
      if (role === 'user' || role === 'assistant' || role === 'system' || role === 'developer') return role
      throw new InvalidArgumentError('messages', 'The role of a message must be one of chats.', role)
    }
    default:
      throw new InvalidArgumentError('messages', 'A message of this type cannot be given to a chat.', message.type)
  }
}

/** Blocks that stand for what the message has elsewhere, or that other models wrote for themselves. */
const PASSED_OVER = ['tool_call', 'tool_use', 'tool_call_chunk', 'reasoning', 'thinking']

function textOf({ content }: BaseMessage): string {
  if (typeof content === 'string') return content
  return content
    .filter(({ type }) => !PASSED_OVER.includes(String(type)))
    .map(block => {
      if (block.type === 'text' && 'text' in block) return String(block.text)
      throw new InvalidArgumentError('messages', 'This model reads text only.', block.type)
    })
    .join('\n')
}

/** A whole choice. Calls whose arguments are no JSON are told apart, as LangChain does. */
export function toMessage(choice: ChatChoice, usage: ChatUsage, modelName: string): AIMessage {
  const parsed = choice.toolCalls.map(call => ({ call, args: objectOf(call.arguments) }))
  return new AIMessage({
    content: choice.content ?? '',
    tool_calls: parsed.flatMap(({ call: { id, name }, args }) =>
      args === undefined ? [] : [{ type: 'tool_call' as const, id, name, args }],
    ),
    invalid_tool_calls: parsed.flatMap(({ call: { id, name, arguments: text }, args }) =>
      args === undefined
        ? [{ type: 'invalid_tool_call' as const, id, name, args: text, error: 'The arguments are no JSON object.' }]
        : [],
    ),
    usage_metadata: toUsage(usage),
    response_metadata: responseMetadata(choice.finish, modelName),
    additional_kwargs: choice.reasoning === null ? {} : { reasoning_content: choice.reasoning },
  })
}

/** A piece of a choice that streams. */
export function toChunk(part: ChatPart): AIMessageChunk {
  switch (part.kind) {
    case 'content':
      return new AIMessageChunk({ content: part.text })
    case 'reasoning':
      return new AIMessageChunk({ content: '', additional_kwargs: { reasoning_content: part.text } })
    case 'call':
      return callChunk({ index: part.index, id: part.id, name: part.name, args: '' })
    case 'arguments':
      return callChunk({ index: part.index, args: part.text })
  }
}

/** The last piece: why it ended, and what it took. */
export function toLastChunk(finish: ChatFinish | null, usage: ChatUsage, modelName: string): AIMessageChunk {
  return new AIMessageChunk({
    content: '',
    usage_metadata: toUsage(usage),
    response_metadata: responseMetadata(finish, modelName),
  })
}

/** What a message says of how it came about. */
export function metadataOf(message: BaseMessage): Record<string, unknown> {
  return message.response_metadata
}

function callChunk(chunk: { index: number; args: string; id?: string; name?: string }): AIMessageChunk {
  return new AIMessageChunk({ content: '', tool_call_chunks: [{ type: 'tool_call_chunk', ...chunk }] })
}

function responseMetadata(finish: ChatFinish | null, modelName: string): Record<string, string> {
  const reason = finish?.reason === 'toolCalls' ? 'tool_calls' : finish?.reason
  return {
    model_provider: 'quire',
    model_name: modelName,
    ...(reason != null && { finish_reason: reason }),
  }
}

function toUsage({ promptTokens, completionTokens, cachedTokens, reasoningTokens }: ChatUsage): UsageMetadata {
  return {
    input_tokens: promptTokens,
    output_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    input_token_details: { cache_read: cachedTokens },
    output_token_details: { reasoning: reasoningTokens },
  }
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
