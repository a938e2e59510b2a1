// Messages of programs in this process, in the words of chat templates.

import type { ChatMessage } from '../../engine/index.js'
import type { ConversationMessage } from '../in-process/conversation.js'

export function toTemplateMessages(messages: readonly ConversationMessage[]): readonly ChatMessage[] {
  return messages.map((message): ChatMessage => {
    const { role, content } = message
    if (role === 'tool') {
      const { toolCallId, name } = message
      return { role, content, tool_call_id: toolCallId, ...(name !== undefined && { name }) }
    }
    if (role !== 'assistant') return { role, content }
    const { reasoning, toolCalls = [] } = message
    return {
      role,
      content,
      ...(toolCalls.length > 0 && {
        tool_calls: toolCalls.map(({ id, name, arguments: values }) => ({
          id,
          type: 'function',
          function: { name, arguments: values },
        })),
      }),
      ...(reasoning !== undefined && { reasoning, reasoning_content: reasoning }),
    }
  })
}
