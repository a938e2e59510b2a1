// `quire-llm/testing`: what the author of a framework plugin runs against it. Needs no test runner and no download.

export { type BatchOptions, type BatchRow, buildInputBatch, type RowSampling } from './batch-builder.js'
export { type ConformanceOptions, conformance } from './conformance.js'
export type { CaseGroup, CaseStatus } from './conformance-case.js'
export { type CaseResult, type ConformanceReport, formatReport } from './conformance-report.js'
export { type GoldenCase, type GoldenModel, readGoldenModel } from './golden-model.js'
export { type DecoderSizes, type GreedyPath, ReferenceModel } from './reference-model.js'
export { type TinyCheckpoint, type TinyCheckpointOptions, writeTinyCheckpoint } from './tiny-checkpoint.js'
export type { TinyArchitecture, TinySizes } from './tiny-models.js'
