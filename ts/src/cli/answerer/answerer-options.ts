// The options that `chat` and `complete` share: who answers, and how fast it was.

import type { WireSampling } from '../../bench/index.js'
import { engineRows, type OptionRow, type ParsedOptions, samplingRows } from '../options.js'
import type { Streams } from '../streams.js'
import { UsageError } from '../usage-error.js'
import type { Answerer } from './answerer.js'
import { ModelAnswerer } from './model-answerer.js'
import { ServerAnswerer } from './server-answerer.js'

export const answererRows: readonly OptionRow[] = [
  {
    name: 'url',
    kind: 'text',
    value: 'URL',
    help: 'ask this server, such as http://localhost:8000/v1, and load no model',
  },
  { name: 'model-name', kind: 'text', value: 'NAME', help: "with --url: the model (default: the server's first)" },
  { name: 'api-key', kind: 'text', value: 'KEY', help: 'with --url: sent as a bearer token (default: OPENAI_API_KEY)' },
  { name: 'quick', kind: 'text', value: 'TEXT', help: '(-q) answer this, and end' },
  { name: 'stats', kind: 'flag', help: 'tell time to first token and tokens per second of each answer' },
  ...samplingRows.filter(({ name }) => name !== 'n' && name !== 'logprobs'),
  ...engineRows,
]

/** `-q` as `--quick`. */
export function withoutShortNames(args: readonly string[]): string[] {
  return args.map(arg => (arg === '-q' ? '--quick' : arg))
}

/** Most tokens of an answer, where the user says nothing. */
export interface DefaultLengths {
  readonly model: number
  /** undefined: as the server does. */
  readonly server: number | undefined
}

/** @throws UsageError for options that do not go together; what loading a model or asking a server throws. */
export function openAnswerer(
  { engine, sampling, own }: ParsedOptions,
  lengths: DefaultLengths,
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<Answerer> {
  const text = (name: string): string | undefined => own[name] as string | undefined
  const url = text('url')
  if (url === undefined) {
    const without = ['model-name', 'api-key'].find(name => own[name] !== undefined)
    if (without !== undefined) throw new UsageError(`--${without} goes with --url.`)
    return ModelAnswerer.create(engine, { maxTokens: lengths.model, ...sampling }, streams)
  }
  const [local] = engineRows.filter(row => row.engine !== undefined && engine[row.engine] !== undefined)
  if (local !== undefined) {
    throw new UsageError(`--${local.name} is for a model in this process, and --url asks a server.`)
  }
  const [model, apiKey] = [text('model-name'), text('api-key') ?? env.OPENAI_API_KEY]
  return ServerAnswerer.create({
    url,
    ...(model !== undefined && { model }),
    ...(apiKey !== undefined && { apiKey }),
    sampling: { ...(lengths.server !== undefined && { maxTokens: lengths.server }), ...sampling } as WireSampling,
  })
}
