// Benchmarks: of a server, as its clients see it, and of the engine in this process.

export {
  DATASET_DEFAULTS,
  DATASET_NAMES,
  type DatasetName,
  type DatasetOptions,
  sampleDataset,
} from './datasets/dataset.js'
export type { SampleRequest } from './datasets/sample-request.js'
export { type ConnectionCounts, ConnectionPool, type Exchange } from './http/connection-pool.js'
export { EventSplitter } from './http/event-splitter.js'
export { type RequestHeaders, requestBytes } from './http/request-head.js'
export { parseTarget, type Target, type TargetOptions } from './http/target.js'
export { type LatencyOptions, type LatencyResult, latencyBench } from './offline/latency-bench.js'
export { latencyJson, latencyReport, throughputJson, throughputReport } from './offline/result-json.js'
export { type ThroughputOptions, type ThroughputResult, throughputBench } from './offline/throughput-bench.js'
export {
  type CompletionAsk,
  chatBody,
  completionBody,
  readErrorMessage,
  readModelList,
  readStreamEvent,
  type StreamEvent,
  samplingBody,
  type WireMessage,
  type WireSampling,
} from './openai-wire.js'
export { servingPlot } from './plot/serving-plot.js'
export { loadPromptTokenizer, type PromptTokenizer } from './prompt-tokenizer.js'
export type { RampUp, Traffic } from './serving/arrivals.js'
export { generateLoad, type Load, type LoadRequest } from './serving/load-generator.js'
export type { RequestRecord } from './serving/request-record.js'
export { type ResultJson, resultJson, stamp, withoutDetails } from './serving/result-json.js'
export { type Measurement, type ServeListener, serveBench } from './serving/serve-bench.js'
export { SERVE_BACKENDS, type ServeBackend, type ServeOptions } from './serving/serve-options.js'
export type { Goodput, MetricName, ServingMetrics } from './serving/serving-metrics.js'
export { servingReport } from './serving/serving-report.js'
