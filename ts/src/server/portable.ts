// `quire-llm/server` on web pages: chats in this process, which bindings to other libraries run. Nothing listens there.

export type {
  ChatChoice,
  ChatFinish,
  ChatFinishReason,
  ChatNews,
  ChatPart,
  ChatResult,
  ChatToolCall,
  ChatTurn,
  ChatUsage,
} from './chat/chat-event.js'
export type { ChatTool, ReasoningEffort } from './chat/chat-request.js'
export { Chat, type ChatInput, type ChatOptions } from './in-process/chat.js'
export type { ConversationMessage, ConversationToolCall } from './in-process/conversation.js'
export type { ToolChoice, ToolDefinition } from './tools/index.js'
