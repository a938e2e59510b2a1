// The AI SDK's prompt as Quire's conversation.

import { UnsupportedFunctionalityError } from '@ai-sdk/provider'
import type { ConversationMessage, ConversationToolCall } from 'quire-llm/server'
import type { PromptMessage, PromptPart, ToolOutput } from './call-options.js'

/** @throws UnsupportedFunctionalityError for parts that are no text. */
export function toConversation(prompt: readonly PromptMessage[]): ConversationMessage[] {
  return prompt.flatMap((message): ConversationMessage[] => {
    const { role, content } = message
    const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : content
    if (role === 'assistant') return [assistantMessage(parts), ...toolMessages(parts)]
    if (role === 'tool') return toolMessages(parts)
    return [{ role, content: parts.map(textOf).join('\n') }]
  })
}

function assistantMessage(parts: readonly PromptPart[]): ConversationMessage {
  let content = ''
  let reasoning: string | undefined
  const toolCalls: ConversationToolCall[] = []
  for (const part of parts) {
    if (part.type === 'reasoning') reasoning = (reasoning ?? '') + (part.text ?? '')
    else if (part.type === 'tool-call') {
      const { toolCallId = '', toolName = '', input } = part
      toolCalls.push({ id: toolCallId, name: toolName, arguments: input ?? {} })
    } else if (part.type !== 'tool-result') content += textOf(part)
  }
  return {
    role: 'assistant',
    content,
    ...(reasoning !== undefined && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
  }
}

/** Approvals have been acted on by the SDK; what came of them is a result. */
function toolMessages(parts: readonly PromptPart[]): ConversationMessage[] {
  return parts.flatMap(({ type, toolCallId = '', toolName = '', output }): ConversationMessage[] =>
    type === 'tool-result' && output !== undefined
      ? [{ role: 'tool', toolCallId, name: toolName, content: outputText(output) }]
      : [],
  )
}

function outputText({ type, value, reason }: ToolOutput): string {
  if (type === 'execution-denied') return reason ?? 'The call of the tool was denied.'
  if (type === 'content' && Array.isArray(value)) return value.map(part => textOf(part as PromptPart)).join('\n')
  return typeof value === 'string' ? value : JSON.stringify(value ?? null)
}

function textOf({ type, text, mediaType }: PromptPart): string {
  if (type === 'text') return text ?? ''
  const functionality = mediaType === undefined ? `parts of type ${type}` : `parts of type ${type} (${mediaType})`
  throw new UnsupportedFunctionalityError({
    functionality,
    message: `This model reads text only, no ${functionality}.`,
  })
}
