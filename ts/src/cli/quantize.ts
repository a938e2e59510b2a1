// `quire quantize`: writes a model as a GGUF file of fewer bits, with its tokenizer and chat template.

import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { isGguf } from '../config/node.js'
import { RequestAbortedError } from '../errors.js'
import { resolveModel } from '../hub/index.js'
import { loadEmbeddedTools } from '../plugin/embedded-tools.js'
import { bytesText, DownloadBar, ShareBar } from '../progress-bar.js'
import { hubSettingsOf } from './hub-settings-of.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import { splitOperands } from './operands.js'
import { helpOf, hubRows, type OptionRow, parseOptions } from './options.js'
import type { Streams } from './streams.js'
import { UsageError } from './usage-error.js'

const rows: readonly OptionRow[] = [
  {
    name: 'type',
    kind: 'text',
    value: 'TYPE',
    help: 'q8_0, q6_k, q5_1, q5_0, q4_k_m, q4_1, q4_0; f32, f16 or bf16 to convert only',
  },
  { name: 'pure', kind: 'flag', help: 'every matrix in the one format, as --quantization makes them on load' },
  { name: 'imatrix', kind: 'text', value: 'FILE', help: 'weigh errors by an importance matrix (quire imatrix)' },
  { name: 'threads', kind: 'number', value: 'N', help: 'compute threads (default: all cores)' },
  { name: 'force', kind: 'flag', help: 'replace a file that is there' },
  ...hubRows.filter(({ engine }) => engine !== 'tokenizerRevision'),
]

export const quantizeCommand = {
  summary: 'write a model as a smaller GGUF file',
  help: `Usage: quire quantize MODEL OUTPUT.gguf --type TYPE [options]

Quantises the matrices of a model, a folder with safetensors or a GGUF file, best one of BF16, F16 or F32, into a GGUF file. Of a
GGUF file the metadata is carried over, of a folder it is converted: sizes, tokenizer, chat template. The file has its name only
when it is complete.

Options:
${helpOf(rows)}
`,
  run: quantize,
}

async function quantize(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { operands, options } = splitOperands(args, rows)
  const { engine, own } = parseOptions(options, rows)
  const [model, given, ...others] = operands
  const { type, imatrix, threads = availableParallelism() } = own
  if (model === undefined) throw new UsageError('Give the model, and the file to write.')
  if (given === undefined || given === '') throw new UsageError('Give the file to write behind the model.')
  if (others.length > 0) throw new UsageError('Give one model and one file to write.')
  if (typeof type !== 'string') throw new UsageError('Give the type by --type.')
  checkThreads(threads)
  const output = resolve(given)
  if (!isGguf(output)) throw new UsageError(`The file to write has a name that ends with .gguf, got ${given}.`)
  if (existsSync(output) && own.force !== true) throw new UsageError(`${given} is there: give --force to replace it.`)
  const tools = await loadEmbeddedTools()
  const types = await tools.ggufFileTypes()
  const fileType = type.toLowerCase()
  if (!types.includes(fileType)) throw new UsageError(`--type is one of ${types.join(', ')}, got ${type}.`)
  return withInterrupt(async (signal): Promise<ExitCode> => {
    const source = await pathOf(model, engine, signal, streams)
    const bar = new ShareBar(streams.stderr, `quantising to ${fileType}`)
    try {
      const pure = own.pure === true
      const shared = { source, output, fileType, pure, threads, signal, onProgress: bar.show }
      const bytes = await tools.quantizeToGguf(typeof imatrix === 'string' ? { ...shared, imatrix } : shared)
      bar.finish()
      streams.stdout.write(`${given}: ${bytesText(bytes)}\n`)
      return 0
    } catch (error) {
      bar.finish()
      if (!(error instanceof RequestAbortedError)) throw error
      streams.stderr.write('quire: interrupted. Nothing was written.\n')
      return 130
    }
  })
}

/** @throws UsageError. */
export function checkThreads(threads: unknown): asserts threads is number {
  if (typeof threads !== 'number' || !Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new UsageError(`--threads is a whole number from 1 to 1024, got ${String(threads)}.`)
  }
}

/** Where the model is, after it is fetched if need be. */
export async function pathOf(
  model: string,
  engine: ReturnType<typeof parseOptions>['engine'],
  signal: AbortSignal,
  { stderr }: Streams,
): Promise<string> {
  const { revision } = engine
  const bar = new DownloadBar(stderr, process.env)
  try {
    return await resolveModel(model, {
      ...hubSettingsOf(engine),
      ...(revision !== undefined && { revision }),
      signal,
      onProgress: bar.show,
      onNotice: message => stderr.write(`quire: ${message}\n`),
    })
  } finally {
    bar.finish()
  }
}
