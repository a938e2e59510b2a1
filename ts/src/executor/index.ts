// The executor: a model brought up on its worker, ready to run steps.

export type { DraftOptions, DraftRunner } from './draft-runner.js'
export { type CacheInfo, Executor, type ExecutorOptions } from './executor.js'
export type { OpenedPlugin } from './worker.js'
export type { OpenRank } from './workers.js'
