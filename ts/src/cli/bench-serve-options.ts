// The command line of `quire bench serve`: vLLM's flags, and what they mean.

import {
  type Goodput,
  type MetricName,
  parseTarget,
  type RampUp,
  SERVE_BACKENDS,
  type ServeOptions,
  type WireSampling,
} from '../bench/index.js'
import { check } from '../config/check.js'
import { datasetRows, normalArgs, readDataset, readInteger, readNumber, readPairs, readText } from './bench-options.js'
import { type OptionRow, type ParsedOptions, parseOptions } from './options.js'
import { UsageError } from './usage-error.js'

const METRICS = ['ttft', 'tpot', 'itl', 'e2el', 'client_queue_time', 'e2el_including_client_queue'] as const

const samplingRows: readonly OptionRow[] = [
  { name: 'temperature', kind: 'text', value: 'T', help: "0 = greedy (default: the server's)" },
  { name: 'top-p', kind: 'text', value: 'P', help: "(default: the server's, as for all that follow)" },
  { name: 'top-k', kind: 'text', value: 'K', help: 'keep the K likeliest ids' },
  { name: 'min-p', kind: 'text', value: 'P', help: 'drop ids below this share of the likeliest' },
  { name: 'frequency-penalty', kind: 'text', value: 'R', help: 'subtracted for each time an id is there' },
  { name: 'presence-penalty', kind: 'text', value: 'R', help: 'subtracted once for ids already there' },
  { name: 'repetition-penalty', kind: 'text', value: 'R', help: 'above 1 discourages repetition' },
]

export const serveRows: readonly OptionRow[] = [
  { name: 'backend', kind: 'text', value: 'NAME', help: `${SERVE_BACKENDS.join(', ')} (default: openai)` },
  { name: 'base-url', kind: 'text', value: 'URL', help: 'instead of host and port; https too' },
  { name: 'host', kind: 'text', value: 'HOST', help: '(default: 127.0.0.1)' },
  { name: 'port', kind: 'text', value: 'N', help: '(default: 8000)' },
  { name: 'uds', kind: 'text', value: 'PATH', help: 'a Unix socket instead of host and port' },
  {
    name: 'endpoint',
    kind: 'text',
    value: 'PATH',
    help: '(default: /v1/completions, for openai-chat /v1/chat/completions)',
  },
  { name: 'model', kind: 'text', value: 'NAME', help: "name in requests (default: the server's first model)" },
  { name: 'served-model-name', kind: 'text', value: 'NAME', help: 'name in requests, where --model is a directory' },
  {
    name: 'tokenizer',
    kind: 'text',
    value: 'MODEL',
    help: "measures prompts (default: the model's, where it is here)",
  },
  { name: 'api-key', kind: 'text', value: 'KEY', help: 'sent as a bearer token (default: OPENAI_API_KEY)' },
  { name: 'header', kind: 'texts', value: 'KEY=VALUE', help: 'headers of every request' },
  { name: 'insecure', kind: 'flag', help: 'accept any certificate' },
  ...datasetRows,
  { name: 'request-rate', kind: 'text', value: 'R', help: 'requests per second (default: inf, all at once)' },
  {
    name: 'burstiness',
    kind: 'text',
    value: 'B',
    help: '1 = Poisson, less in bursts, inf = evenly (default: 1)',
  },
  { name: 'max-concurrency', kind: 'texts', value: 'N', help: 'requests at once; several levels one after the other' },
  { name: 'ramp-up-strategy', kind: 'text', value: 'NAME', help: 'linear or exponential' },
  { name: 'ramp-up-start-rps', kind: 'text', value: 'R', help: 'requests per second at first' },
  { name: 'ramp-up-end-rps', kind: 'text', value: 'R', help: 'requests per second at last' },
  { name: 'num-warmups', kind: 'text', value: 'N', help: 'requests before the measurement (default: 0)' },
  {
    name: 'ready-check-timeout-sec',
    kind: 'text',
    value: 'S',
    help: 'wait so long for the server (default: 0, no check)',
  },
  { name: 'ignore-eos', kind: 'flag', help: 'ask for answers of full length, as random prompts always do' },
  { name: 'logprobs', kind: 'text', value: 'N', help: 'ask for the N likeliest ids of each token' },
  ...samplingRows,
  { name: 'extra-body', kind: 'text', value: 'JSON', help: 'further fields of every request' },
  {
    name: 'percentile-metrics',
    kind: 'text',
    value: 'LIST',
    help: `of ${METRICS.join(', ')} (default: ttft,tpot,itl)`,
  },
  { name: 'metric-percentiles', kind: 'text', value: 'LIST', help: 'such as 50,90,99 (default: 99)' },
  {
    name: 'goodput',
    kind: 'texts',
    value: 'METRIC:MS',
    help: 'of ttft, tpot, e2el: what a good request takes at most',
  },
  { name: 'request-id-prefix', kind: 'text', value: 'TEXT', help: 'begins X-Request-Id (default: bench-, and a draw)' },
  { name: 'label', kind: 'text', value: 'TEXT', help: "begins the result's file name (default: the backend)" },
  { name: 'save-result', kind: 'flag', help: 'write the result as JSON' },
  { name: 'save-detailed', kind: 'flag', help: 'and what is known of every request' },
  { name: 'append-result', kind: 'flag', help: 'add it to the file as a line' },
  { name: 'result-dir', kind: 'text', value: 'DIR', help: '(default: here)' },
  { name: 'result-filename', kind: 'text', value: 'FILE', help: '(default: made of label, rate, model and time)' },
  { name: 'metadata', kind: 'texts', value: 'KEY=VALUE', help: 'added to the result' },
  { name: 'plot', kind: 'text', value: 'FILE', help: 'draw the result as SVG' },
  { name: 'disable-tqdm', kind: 'flag', help: 'no progress line' },
]

/** Where results go. */
export interface ServeOutput {
  readonly label: string | undefined
  readonly saveResult: boolean
  readonly saveDetailed: boolean
  readonly appendResult: boolean
  readonly resultDir: string | undefined
  readonly resultFilename: string | undefined
  readonly metadata: readonly string[]
  readonly plot: string | undefined
  readonly disableTqdm: boolean
}

type Own = ParsedOptions['own']

/** @throws UsageError, InvalidArgumentError. */
export function parseServeOptions(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  draw: string,
): { readonly options: ServeOptions; readonly output: ServeOutput } {
  const { own } = parseOptions(normalArgs(args, serveRows), serveRows)
  const metadata = (own.metadata as readonly string[] | undefined) ?? []
  readPairs(own, 'metadata') // refused before the load rather than after it
  return {
    options: serveOptions(own, env, draw),
    output: {
      label: readText(own, 'label'),
      saveResult: own['save-result'] === true,
      saveDetailed: own['save-detailed'] === true,
      appendResult: own['append-result'] === true,
      resultDir: readText(own, 'result-dir'),
      resultFilename: readText(own, 'result-filename'),
      metadata,
      plot: readText(own, 'plot'),
      disableTqdm: own['disable-tqdm'] === true,
    },
  }
}

function serveOptions(own: Own, env: NodeJS.ProcessEnv, draw: string): ServeOptions {
  const backend = check.choice('backend', own.backend ?? 'openai', SERVE_BACKENDS)
  const baseUrl = readText(own, 'base-url')
  const [host, uds] = [readText(own, 'host'), readText(own, 'uds')]
  const port = readInteger(own, 'port', 1)
  const dataset = readDataset(own)
  const model = readText(own, 'served-model-name') ?? readText(own, 'model')
  const tokenizer = readText(own, 'tokenizer')
  const logprobs = readInteger(own, 'logprobs', 0)
  const goodput = readGoodput(own)
  const modelDirectory = own['served-model-name'] === undefined ? undefined : readText(own, 'model')
  return {
    backend,
    target: parseTarget({
      ...(baseUrl !== undefined && { baseUrl }),
      ...(host !== undefined && { host }),
      ...(port !== undefined && { port }),
      ...(uds !== undefined && { uds }),
      verify: own.insecure !== true,
    }),
    endpoint: readEndpoint(own, backend === 'openai-chat' ? '/v1/chat/completions' : '/v1/completions'),
    ...(model !== undefined && { model }),
    ...((tokenizer ?? modelDirectory) !== undefined && { tokenizer: (tokenizer ?? modelDirectory) as string }),
    dataset,
    headers: readHeaders(own, env),
    requestIdPrefix: readText(own, 'request-id-prefix') ?? `bench-${draw}-`,
    sampling: readSampling(own),
    extraBody: readExtraBody(own),
    ignoreEos: own['ignore-eos'] === true || dataset.name === 'random',
    ...(logprobs !== undefined && { logprobs }),
    traffic: {
      requestRate: readNumber(own, 'request-rate') ?? Number.POSITIVE_INFINITY,
      burstiness: readNumber(own, 'burstiness') ?? 1,
      ...readRampUp(own),
    },
    concurrencies: readLevels(own),
    numWarmups: readInteger(own, 'num-warmups', 0) ?? 0,
    readyCheckTimeoutS: readNumber(own, 'ready-check-timeout-sec') ?? 0,
    metrics: readList(own, 'percentile-metrics', 'ttft,tpot,itl').map(name =>
      check.choice<MetricName>('percentile-metrics', name, METRICS),
    ),
    percentiles: readList(own, 'metric-percentiles', '99').map(text =>
      check.number('metric-percentiles', Number(text), { atLeast: 0, atMost: 100 }),
    ),
    ...(goodput !== undefined && { goodput }),
    keepText: own['save-detailed'] === true,
  }
}

function readEndpoint(own: Own, byDefault: string): string {
  const endpoint = readText(own, 'endpoint') ?? byDefault
  if (!/^\/[\x21-\x7e]*$/.test(endpoint)) throw new UsageError(`--endpoint needs a path such as ${byDefault}.`)
  return endpoint
}

function readHeaders(own: Own, env: NodeJS.ProcessEnv): Record<string, string> {
  const key = readText(own, 'api-key') ?? env.OPENAI_API_KEY
  const bearer: Record<string, string> = key === undefined || key === '' ? {} : { Authorization: `Bearer ${key}` }
  return { Accept: 'text/event-stream, application/json', ...bearer, ...readPairs(own, 'header') }
}

function readSampling(own: Own): WireSampling {
  const entries = [
    ['temperature', 'temperature'],
    ['topP', 'top-p'],
    ['topK', 'top-k'],
    ['minP', 'min-p'],
    ['frequencyPenalty', 'frequency-penalty'],
    ['presencePenalty', 'presence-penalty'],
    ['repetitionPenalty', 'repetition-penalty'],
  ] as const
  return Object.fromEntries(
    entries.flatMap(([name, option]) => {
      const value = readNumber(own, option)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

function readExtraBody(own: Own): Readonly<Record<string, unknown>> {
  const text = readText(own, 'extra-body')
  if (text === undefined) return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError('--extra-body needs a JSON object.')
  }
  return value as Record<string, unknown>
}

function readRampUp(own: Own): { readonly rampUp?: RampUp } {
  const given = own['ramp-up-strategy']
  const [startRps, endRps] = [readNumber(own, 'ramp-up-start-rps'), readNumber(own, 'ramp-up-end-rps')]
  if (given === undefined) {
    if (startRps === undefined && endRps === undefined) return {}
    throw new UsageError('--ramp-up-start-rps and --ramp-up-end-rps go with --ramp-up-strategy.')
  }
  if (startRps === undefined || endRps === undefined) {
    throw new UsageError('--ramp-up-strategy needs --ramp-up-start-rps and --ramp-up-end-rps.')
  }
  return { rampUp: { strategy: check.choice('ramp-up-strategy', given, ['linear', 'exponential']), startRps, endRps } }
}

/** `--max-concurrency 1 16`, or `1,16`. */
function readLevels(own: Own): readonly number[] {
  const given = (own['max-concurrency'] as readonly string[] | undefined) ?? []
  return given
    .flatMap(text => text.split(','))
    .map(text => readInteger({ 'max-concurrency': text }, 'max-concurrency', 1) as number)
}

function readGoodput(own: Own): Goodput | undefined {
  const pairs = own.goodput as readonly string[] | undefined
  if (pairs === undefined) return undefined
  return Object.fromEntries(
    pairs.map(pair => {
      const match = /^(ttft|tpot|e2el):(\d+(?:\.\d+)?)$/.exec(pair)
      if (match === null) throw new UsageError(`--goodput needs ttft:MS, tpot:MS or e2el:MS, got '${pair}'.`)
      return [match[1] as string, Number(match[2])]
    }),
  )
}

function readList(own: Own, name: string, byDefault: string): readonly string[] {
  return (readText(own, name) ?? byDefault)
    .split(',')
    .map(text => text.trim())
    .filter(text => text !== '')
}
