// `@quire-llm/ai-sdk`: Quire as a provider of the AI SDK.

export type {
  QuireLanguageModel,
  SpecificationVersion,
} from './language-model.js'
export { createQuire, type QuireProvider, type QuireProviderOptions } from './provider.js'
