// `@quire-llm/ai-sdk`: Quire as a provider of the AI SDK.

export type { QuireEmbeddingModel } from './embedding-model.js'
export type { QuireLanguageModel, SpecificationVersion } from './language-model.js'
export { createQuire, type QuireProvider, type QuireProviderOptions } from './provider.js'
