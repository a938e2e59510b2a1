// The only door to native code: everything above sees typed arrays, values and typed errors. The module behind the door is
// an argument: `node.ts` loads Node's addon, `web/` the WebAssembly module.

export {
  type Admission,
  CORE_STATS,
  Core,
  type CoreOptions,
  type CoreRequest,
  type CoreStats,
  coreStatsOf,
  type StepOutput,
} from './core.js'
export { type DetokenizedStep, type DetokenizerOptions, Detokenizers } from './detokenizers.js'
export { type GgufSummary, readGgufSummary } from './gguf.js'
export {
  type FollowOptions,
  type Grammar,
  type GrammarFailure,
  type GrammarSource,
  Grammars,
  type GrammarsOptions,
} from './grammars.js'
export {
  HostSampler,
  type HostSamplerOptions,
  type LogprobGroups,
  type ProcessorFailure,
  type SampledStep,
} from './host-sampler.js'
export type { Native } from './native.js'
export { type PooledInput, type PooledLimit, type RenderOptions, Text, type TextTables } from './text.js'
export { WorkQueue } from './work-queue.js'
