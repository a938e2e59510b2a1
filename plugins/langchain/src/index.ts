// `@quire-llm/langchain`: Quire as a chat model of LangChain.

export type { ChatQuireCallOptions } from './call-options.js'
export { ChatQuire, type ChatQuireFields } from './chat-model.js'
