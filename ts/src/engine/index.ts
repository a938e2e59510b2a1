// The engine: requests in, outputs out.

export type { CacheInfo } from '../executor/index.js'
export { type BeamSearchEngine, type BeamSearchOptions, type BeamSearchRequest, beamSearch } from './beam-search.js'
export type {
  EmbeddingOutput,
  EmbedInput,
  EmbedOptions,
  ScoreOptions,
  ScoreOutput,
} from './embedding.js'
export { pairsOf } from './embedding.js'
export { Engine, type EngineHealth, type EngineObserver, type EngineStats } from './engine.js'
export type { CreateOptions, LoopPlace } from './engine-creation.js'
export { type EngineRequest, type GenerateRequest, toSamplingParams } from './engine-request.js'
export { likeliestOutputs } from './likeliest-outputs.js'
export { nextTurn } from './next-turn.js'
export { type ObjectOutput, toObject } from './object-output.js'
export type { PauseMode } from './pause-gate.js'
export {
  type ChatMessage,
  checkMessages,
  isSinglePrompt,
  type MessageContent,
  type NormalPrompt,
  normalizePrompt,
  type Prompt,
} from './prompt.js'
export { type PreparedPrompt, preparePrompts } from './prompt-preparation.js'
export { randomBytes, randomId } from './random-bytes.js'
export type { ReasoningBudget } from './reasoning-budget.js'
export type {
  CompletionOutput,
  FinishReason,
  RankedToken,
  RequestMetrics,
  RequestOutput,
  TokenLogprob,
} from './request-output.js'
export type { RequestStream } from './request-stream.js'
export {
  type InferObject,
  type JsonSchema,
  type ObjectSchema,
  type StandardSchema,
  toJsonSchema,
} from './standard-schema.js'
export { cutText, mostCharacters } from './text-length.js'
