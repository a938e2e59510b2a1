// `quire-llm/server`: an engine as an OpenAI server, as a web handler or on node's sockets.

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
export type { ListenOptions, TlsOptions } from './listen-options.js'
export { type StatsLog, startStatsLog } from './metrics/stats-log.js'
export { type CloseOptions, NodeServer, type NodeServerOptions } from './node-server.js'
export type { Clock, Logger } from './server-context.js'
export type { ServerOptions } from './server-options.js'
export type { ToolChoice, ToolDefinition } from './tools/index.js'
export { createHandler, type WebHandler } from './web-handler.js'
