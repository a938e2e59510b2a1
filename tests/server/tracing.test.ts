// Spans by the real OpenTelemetry API and SDK, kept in memory.

import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import test from 'ava'
import { completion, serveFake, until } from './served-engine.js'

const exporter = new InMemorySpanExporter()
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
test.after(() => {
  trace.disable()
  propagation.disable()
  context.disable()
})

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const PARENT_ID = 'b7ad6b7169203331'

const slow = { onStep: () => new Promise<void>(resolve => setTimeout(resolve, 2)) }

test.serial('a request is a span of the trace that its caller names', async t => {
  const { url } = await serveFake(t, { modelNames: ['the-model'] }, slow)
  const { headers, ...rest } = completion({ max_tokens: 7, stream: true })
  const traceparent = `00-${TRACE_ID}-${PARENT_ID}-01`
  await (await fetch(`${url}/v1/completions`, { ...rest, headers: { ...headers, traceparent } })).text()
  await until('the span', () => exporter.getFinishedSpans().length === 1)
  const [span] = exporter.getFinishedSpans()
  exporter.reset()
  t.is(span?.name, 'llm_request')
  t.is(span?.kind, SpanKind.SERVER)
  t.is(span?.spanContext().traceId, TRACE_ID)
  t.is(span?.parentSpanContext?.spanId, PARENT_ID)
  t.is(span?.status.code, SpanStatusCode.UNSET)
  const attributes = span?.attributes ?? {}
  t.is(attributes['gen_ai.request.model'], 'the-model')
  t.is(attributes['gen_ai.request.max_tokens'], 7)
  t.is(attributes['gen_ai.request.temperature'], 0)
  t.is(attributes['gen_ai.usage.prompt_tokens'], 3)
  t.is(attributes['gen_ai.usage.completion_tokens'], 7)
  const first = Number(attributes['gen_ai.latency.time_to_first_token'])
  t.true(first > 0 && first <= Number(attributes['gen_ai.latency.e2e']))
})

test.serial('a request without a trace begins one; one that was cancelled is an error', async t => {
  const { url, engine } = await serveFake(t, {}, slow)
  const controller = new AbortController()
  const response = fetch(`${url}/v1/completions`, { ...completion({ max_tokens: 3000 }), signal: controller.signal })
  await until('it runs', () => engine.stats().numGeneratedTokens > 2)
  controller.abort()
  await t.throwsAsync(response, { any: true })
  await until('the span', () => exporter.getFinishedSpans().length === 1)
  const [span] = exporter.getFinishedSpans()
  exporter.reset()
  t.is(span?.parentSpanContext, undefined)
  t.deepEqual(span?.status, { code: SpanStatusCode.ERROR, message: 'ERR_ABORTED' })
})

test.serial('no prompt and no output is in a span', async t => {
  const { url } = await serveFake(t)
  await (await fetch(`${url}/v1/completions`, completion({ prompt: 'a secret word', max_tokens: 3 }))).text()
  await until('the span', () => exporter.getFinishedSpans().length === 1)
  t.false(JSON.stringify(exporter.getFinishedSpans()[0]?.attributes).includes('secret'))
  exporter.reset()
})
