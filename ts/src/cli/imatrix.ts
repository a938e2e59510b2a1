// `quire imatrix`: runs a model over texts and writes how large the inputs of its matrices are, for `quire quantize --imatrix`.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, resolve } from 'node:path'
import { Text } from '../binding/index.js'
import { loadNative } from '../binding/node.js'
import { InvalidArgumentError, RequestAbortedError } from '../errors.js'
import { loadEmbeddedTools } from '../plugin/embedded-tools.js'
import { ShareBar } from '../progress-bar.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import { splitOperands } from './operands.js'
import { helpOf, hubRows, type OptionRow, parseOptions } from './options.js'
import { checkThreads, pathOf } from './quantize.js'
import type { Streams } from './streams.js'
import { UsageError } from './usage-error.js'

const rows: readonly OptionRow[] = [
  {
    name: 'texts',
    kind: 'text',
    value: 'FILE',
    help: 'a file of text in UTF-8, like what the model will read and write',
  },
  { name: 'output', kind: 'text', value: 'FILE', help: 'the file to write, whose name ends with .gguf' },
  { name: 'chunk-size', kind: 'number', value: 'N', help: 'tokens that are read as one sequence (default: 512)' },
  { name: 'chunks', kind: 'number', value: 'N', help: 'read no more chunks than this (default: all)' },
  { name: 'threads', kind: 'number', value: 'N', help: 'compute threads (default: all cores)' },
  { name: 'force', kind: 'flag', help: 'replace a file that is there' },
  ...hubRows.filter(({ engine }) => engine !== 'tokenizerRevision'),
]

export const imatrixCommand = {
  summary: 'measure over texts which weights count, for quantize --imatrix',
  help: `Usage: quire imatrix MODEL --texts FILE --output FILE.gguf [options]

Runs a model over texts and writes an importance matrix, in the form of llama.cpp: for each matrix the sums of squares of its
inputs. \`quire quantize --imatrix FILE\` weighs the errors of rounding by them.

Options:
${helpOf(rows)}
`,
  run: imatrix,
}

async function imatrix(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { operands, options } = splitOperands(args, rows)
  const { engine, own } = parseOptions(options, rows)
  const [model, ...others] = operands
  const { texts, output: given, threads = availableParallelism() } = own
  if (model === undefined) throw new UsageError('Give the model.')
  if (others.length > 0) throw new UsageError('Give one model.')
  if (typeof texts !== 'string') throw new UsageError('Give the file of texts by --texts.')
  if (typeof given !== 'string') throw new UsageError('Give the file to write by --output.')
  if (!given.endsWith('.gguf')) {
    throw new UsageError(`The file to write has a name that ends with .gguf, got ${given}.`)
  }
  const output = resolve(given)
  if (existsSync(output) && own.force !== true) throw new UsageError(`${given} is there: give --force to replace it.`)
  const chunkTokens = count('chunk-size', own['chunk-size'] ?? 512)
  const most = own.chunks === undefined ? Number.POSITIVE_INFINITY : count('chunks', own.chunks)
  checkThreads(threads)
  const text = await readFile(texts, 'utf8').catch((cause: Error) => {
    throw new InvalidArgumentError('texts', `${texts} cannot be read: ${cause.message}`, texts)
  })
  const tools = await loadEmbeddedTools()
  return withInterrupt(async (signal): Promise<ExitCode> => {
    const source = await pathOf(model, engine, signal, streams)
    const tokenIds = await chunksOf(await Text.load(await loadNative(), source, undefined), text, chunkTokens, most)
    const bar = new ShareBar(streams.stderr, `reading ${tokenIds.length} tokens`)
    try {
      const dataset = basename(texts)
      const job = { source, output, tokenIds, chunkTokens, dataset, threads, signal, onProgress: bar.show }
      const numMatrices = await tools.collectImportance(job)
      bar.finish()
      streams.stdout.write(`${given}: ${numMatrices} matrices, ${tokenIds.length} tokens\n`)
      return 0
    } catch (error) {
      bar.finish()
      if (!(error instanceof RequestAbortedError)) throw error
      streams.stderr.write('quire: interrupted. Nothing was written.\n')
      return 130
    }
  })
}

/** The text in chunks of so many tokens, each with what the tokenizer puts in front of a text. */
async function chunksOf(tokenizer: Text, text: string, chunkTokens: number, most: number): Promise<Int32Array> {
  const [front = new Int32Array(0)] = await tokenizer.encode([''], true)
  const [ids = new Int32Array(0)] = await tokenizer.encode([text], false)
  const room = chunkTokens - front.length
  if (room < 1) throw new UsageError(`--chunk-size is more than the ${front.length} tokens in front of a text.`)
  const numChunks = Math.min(Math.floor(ids.length / room), most)
  if (numChunks === 0) {
    throw new UsageError(
      `The texts have ${ids.length} tokens, fewer than a chunk of ${room}: give more, or --chunk-size.`,
    )
  }
  const chunks = new Int32Array(numChunks * chunkTokens)
  for (let chunk = 0; chunk < numChunks; chunk += 1) {
    chunks.set(front, chunk * chunkTokens)
    chunks.set(ids.subarray(chunk * room, (chunk + 1) * room), chunk * chunkTokens + front.length)
  }
  return chunks
}

/** @throws UsageError. */
function count(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value < 2 ** 24) return value
  throw new UsageError(`--${name} is a whole number from 1 to ${2 ** 24 - 1}, got ${String(value)}.`)
}
