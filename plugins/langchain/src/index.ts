// `@quire-llm/langchain`: Quire as a chat model and embeddings of LangChain.

export type { ChatQuireCallOptions } from './call-options.js'
export { ChatQuire, type ChatQuireFields } from './chat-model.js'
export { QuireEmbeddings, type QuireEmbeddingsFields } from './embeddings.js'
