// A span for each request of the engine, by OpenTelemetry's API where the application has it; who exports it is the
// application's matter. Names of attributes are those that vLLM gives, from the conventions for generative AI.

import type * as Api from '@opentelemetry/api'
import type { SamplingParams } from '../config/index.js'
import type { RequestOutput } from '../engine/index.js'
import type { HeaderReader } from './route.js'

/** Headers by which a caller says which trace a request belongs to. */
const TRACE_HEADERS = ['traceparent', 'tracestate', 'baggage', 'b3']

export interface Tracing {
  ended(
    output: RequestOutput,
    params: SamplingParams,
    error: Error | undefined,
    headers: HeaderReader,
    nowMs: number,
  ): void
}

/** Undefined if the application has no `@opentelemetry/api`. */
export async function loadTracing(modelName: string, version: string): Promise<Tracing | undefined> {
  try {
    return tracingOver(await import('@opentelemetry/api'), modelName, version)
  } catch {
    return undefined
  }
}

function tracingOver(api: typeof Api, modelName: string, version: string): Tracing {
  return {
    ended(output, params, error, headers, nowMs) {
      // Asked for each time: an application may register its provider later.
      const tracer = api.trace.getTracer('quire-llm', version)
      const carrier = Object.fromEntries(
        TRACE_HEADERS.flatMap(name => {
          const value = headers.get(name)
          return value === null ? [] : [[name, value]]
        }),
      )
      const parent = api.propagation.extract(api.ROOT_CONTEXT, carrier)
      const startTime = new Date(output.metrics.arrivalMs)
      const span = tracer.startSpan('llm_request', { kind: api.SpanKind.SERVER, startTime }, parent)
      if (span.isRecording()) span.setAttributes(attributesOf(output, params, modelName, nowMs))
      if (error !== undefined) {
        span.setStatus({ code: api.SpanStatusCode.ERROR, message: (error as { code?: string }).code ?? error.name })
      }
      span.end(new Date(nowMs))
    },
  }
}

function attributesOf(
  output: RequestOutput,
  params: SamplingParams,
  modelName: string,
  nowMs: number,
): Record<string, string | number> {
  const { arrivalMs, firstScheduledMs, firstTokenMs, lastTokenMs } = output.metrics
  const attributes: readonly (readonly [string, string | number | null | undefined])[] = [
    ['gen_ai.operation.name', 'text_completion'],
    ['gen_ai.request.model', modelName],
    ['gen_ai.response.model', modelName],
    ['gen_ai.request.id', output.requestId],
    ['gen_ai.request.n', params.n],
    ['gen_ai.request.max_tokens', params.maxTokens],
    ['gen_ai.request.temperature', params.temperature],
    ['gen_ai.request.top_p', params.topP],
    ['gen_ai.usage.prompt_tokens', output.promptTokenIds.length],
    ['gen_ai.usage.completion_tokens', output.outputs.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0)],
    ['gen_ai.latency.time_in_queue', secondsBetween(arrivalMs, firstScheduledMs)],
    ['gen_ai.latency.time_to_first_token', secondsBetween(arrivalMs, firstTokenMs)],
    ['gen_ai.latency.time_in_model_prefill', secondsBetween(firstScheduledMs, firstTokenMs)],
    ['gen_ai.latency.time_in_model_decode', secondsBetween(firstTokenMs, lastTokenMs)],
    ['gen_ai.latency.time_in_model_inference', secondsBetween(firstScheduledMs, lastTokenMs)],
    ['gen_ai.latency.e2e', secondsBetween(arrivalMs, nowMs)],
  ]
  return Object.fromEntries(attributes.filter((entry): entry is [string, string | number] => entry[1] != null))
}

function secondsBetween(fromMs: number | null, toMs: number | null): number | undefined {
  return fromMs === null || toMs === null ? undefined : Math.max(0, toMs - fromMs) / 1000
}
