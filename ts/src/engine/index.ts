// The engine: requests in, outputs out.

export type { CacheInfo } from '../executor/index.js'
export { Engine, type EngineStats } from './engine.js'
export type { EngineRequest } from './engine-request.js'
export type {
  CompletionOutput,
  FinishReason,
  RankedToken,
  RequestMetrics,
  RequestOutput,
  TokenLogprob,
} from './request-output.js'
export type { RequestStream } from './request-stream.js'
