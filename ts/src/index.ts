// `quire-llm`: the public API.

export {
  type DraftModelOptions,
  type EngineOptions,
  type ExtraArgs,
  type JsonValue,
  type LogitsContext,
  type LogitsProcessor,
  type LogitsProcessorDefinition,
  type LogitsProcessorSource,
  type OutputKind,
  type PromptLookupOptions,
  type SamplingOptions,
  SamplingParams,
  type SpeculativeOptions,
  type StructuredOutputs,
} from './config/index.js'
export type {
  BeamSearchOptions,
  CacheInfo,
  ChatMessage,
  CompletionOutput,
  CreateOptions,
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
  LoopPlace,
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
} from './engine/index.js'
export { likeliestOutputs } from './engine/index.js'
export { Engine } from './engine/node-engine.js'
export * from './errors.js'
export type { PullProgress } from './hub/index.js'
export type { ChatOptions, GenerateOptions } from './llm.js'
export { LLM } from './node-llm.js'
export { type DTypeLike, type FrameworkAccessor, framework } from './plugin/current-framework.js'
export type { Device } from './plugin/device.js'
export type { DType, DTypeName } from './plugin/dtype.js'
export type { Framework, Tensor } from './plugin/framework.js'
export type { ModelInfo, Operations, PoolingInfo, PoolingKind, ProductWork } from './plugin/model-runner.js'
export { registerPlugin } from './plugin/registry.js'
export { type FrameworkInUse, type UseFrameworkOptions, useFramework } from './plugin/use-framework.js'
