// `quire bench serve`: a load on any OpenAI server, measured by its client. vLLM's flags, block and result files.

import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join, parse } from 'node:path'
import {
  type Measurement,
  type ResultJson,
  resultJson,
  type ServeListener,
  type ServeOptions,
  serveBench,
  servingPlot,
  servingReport,
  stamp,
  withoutDetails,
} from '../bench/index.js'
import { resolveModel } from '../hub/index.js'
import { ProgressBar } from '../progress-bar.js'
import { readPairs, writeResult } from './bench-options.js'
import { parseServeOptions, type ServeOutput, serveRows } from './bench-serve-options.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import { helpOf } from './options.js'
import type { Streams } from './streams.js'

export const serveBenchCommand = {
  summary: 'latency and throughput of any OpenAI server',
  help: `Usage: quire bench serve [options]\n\nPuts a load on an OpenAI server and measures what its clients see.\n\nOptions:\n${helpOf(serveRows)}\n`,
  run: serve,
}

async function serve(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { options, output } = parseServeOptions(args, process.env, randomBytes(4).toString('hex'))
  return withInterrupt(async signal => {
    const measured: Measurement[] = []
    const resolved = await withTokenizerHere(options, signal)
    for await (const measurement of serveBench(resolved, listenerOn(streams, output), signal)) {
      measured.push(measurement)
      streams.stdout.write(reportOf(measurement, options))
      if (output.saveResult || output.appendResult) await save(measurement, options, output)
      if (output.plot !== undefined) await writeResult('plot', output.plot, servingPlot(measured))
    }
    return measured.some(({ metrics }) => metrics.completed === 0) ? 1 : 0
  })
}

/** A tokenizer by name is brought here. */
async function withTokenizerHere(options: ServeOptions, signal: AbortSignal): Promise<ServeOptions> {
  const { tokenizer } = options
  if (tokenizer === undefined) return options
  return { ...options, tokenizer: await resolveModel(tokenizer, { purpose: 'tokenizer', signal }) }
}

function reportOf({ metrics, maxConcurrency, connections }: Measurement, options: ServeOptions): string {
  return servingReport(metrics, {
    metrics: options.metrics,
    ...(maxConcurrency !== undefined && { maxConcurrency }),
    requestRate: options.traffic.requestRate,
    resets: connections.resets,
  })
}

async function save(measurement: Measurement, options: ServeOptions, output: ServeOutput): Promise<void> {
  const date = new Date()
  const path = await resultPath(measurement, options, output, date)
  const result = resultOf(measurement, options, output, date)
  const text = JSON.stringify(output.saveDetailed ? result : withoutDetails(result))
  await writeResult('result-filename', path, `${text}\n`, output.appendResult)
}

function resultOf(measurement: Measurement, options: ServeOptions, output: ServeOutput, date: Date): ResultJson {
  const { load, metrics, maxConcurrency, connections, modelId, tokenizerId, numPrompts } = measurement
  return resultJson(load, metrics, {
    date,
    backend: options.backend,
    label: output.label,
    modelId,
    tokenizerId,
    numPrompts,
    burstiness: options.traffic.burstiness,
    rampUp: options.traffic.rampUp,
    metadata: readPairs({ metadata: output.metadata }, 'metadata'),
    connections,
    metrics: options.metrics,
    ...(maxConcurrency !== undefined && { maxConcurrency }),
    requestRate: options.traffic.requestRate,
    resets: connections.resets,
  })
}

/** The name that vLLM gives, or the asked one; with several levels of concurrency each has a file of its own. */
async function resultPath(
  { maxConcurrency, modelId }: Measurement,
  { traffic, backend, concurrencies }: ServeOptions,
  { label, resultDir, resultFilename, appendResult }: ServeOutput,
  date: Date,
): Promise<string> {
  const { rampUp, requestRate } = traffic
  const rate =
    rampUp === undefined
      ? `${Number.isFinite(requestRate) ? requestRate : 'inf'}qps`
      : `ramp-up-${rampUp.strategy}-${rampUp.startRps}qps-${rampUp.endRps}qps`
  const level = maxConcurrency === undefined ? '' : `-concurrency${maxConcurrency}`
  const model = modelId.split('/').at(-1)
  let name = `${label ?? backend}-${rate}${level}-${model}-${stamp(date)}.json`
  if (resultFilename !== undefined) {
    const { dir, name: stem, ext } = parse(resultFilename)
    name = concurrencies.length > 1 && !appendResult ? join(dir, `${stem}${level}${ext}`) : resultFilename
  }
  if (resultDir === undefined) return name
  await mkdir(resultDir, { recursive: true })
  return join(resultDir, name)
}

function listenerOn({ stdout, stderr }: Streams, { disableTqdm }: ServeOutput): ServeListener {
  let progress: ProgressBar | undefined
  return {
    say: line => stdout.write(`${line}\n`),
    warn: line => stderr.write(`quire: ${line}\n`),
    begin: count => {
      if (!disableTqdm) progress = new ProgressBar(stderr, count, performance.now.bind(performance))
    },
    record: ({ promptTokens, outputTokens, itlsMs }) => {
      progress?.advance(promptTokens, outputTokens ?? itlsMs.length + 1)
    },
    end: () => progress?.finish(),
  }
}
