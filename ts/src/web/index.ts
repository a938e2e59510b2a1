// `quire-llm/web`: the public API on web pages. The model and its loop run in a Worker.

export {
  type OutputKind,
  type PromptLookupOptions,
  type SamplingOptions,
  SamplingParams,
  type StructuredOutputs,
} from '../config/index.js'
export type {
  BeamSearchOptions,
  CacheInfo,
  ChatMessage,
  CompletionOutput,
  EmbeddingOutput,
  EmbedInput,
  EmbedOptions,
  EngineHealth,
  EngineObserver,
  EngineRequest,
  EngineStats,
  GenerateRequest,
  InferObject,
  JsonSchema,
  ObjectOutput,
  ObjectSchema,
  PauseMode,
  Prompt,
  ReasoningBudget,
  RequestMetrics,
  RequestOutput,
  RequestStream,
  ScoreOptions,
  ScoreOutput,
  StandardSchema,
  TokenLogprob,
} from '../engine/index.js'
export { likeliestOutputs } from '../engine/index.js'
export * from '../errors.js'
export type { PullProgress } from '../hub/download-progress.js'
export type { ChatOptions, GenerateOptions } from '../llm.js'
export type { ModelInfo, Operations, PoolingInfo, PoolingKind, ProductWork } from '../plugin/model-runner.js'
export type { WebModel } from './model-source.js'
export { cachedModels, removeCachedModels } from './origin-storage.js'
export { Engine } from './web-engine.js'
export { LLM } from './web-llm.js'
export type { WebAssets, WebEngineOptions } from './web-options.js'
