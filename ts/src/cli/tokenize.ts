// `quire tokenize`: the token ids of a text, with their pieces. No model is loaded, its tokenizer is.

import { Text } from '../binding/index.js'
import { loadNative } from '../binding/node.js'
import { bundledModelDirectory } from '../config/node.js'
import { resolveModel } from '../hub/index.js'
import { DownloadBar } from '../progress-bar.js'
import { hubSettingsOf } from './hub-settings-of.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import { splitOperands } from './operands.js'
import { helpOf, hubRows, type OptionRow, parseOptions } from './options.js'
import type { Streams } from './streams.js'
import { UsageError } from './usage-error.js'

const rows: readonly OptionRow[] = [
  {
    name: 'model',
    kind: 'text',
    value: 'MODEL',
    help: 'directory or org/name[@revision] (default: the bundled tiny model)',
    engine: 'model',
  },
  ...hubRows.filter(({ engine }) => engine !== 'tokenizerRevision'),
  { name: 'no-special-tokens', kind: 'flag', help: 'add no tokens such as the beginning of a text' },
  { name: 'ids', kind: 'flag', help: 'print ids alone, on one line' },
  { name: 'count', kind: 'flag', help: 'print how many tokens there are, and nothing else' },
  { name: 'json', kind: 'flag', help: 'print one JSON object' },
]

export const tokenizeCommand = {
  summary: 'the token ids of a text',
  help: `Usage: quire tokenize [TEXT] [options]

Prints the tokens of a text, an id and its piece a line, and how many there are. Without TEXT it is read from standard input.

Options:
${helpOf(rows)}
`,
  run: tokenize,
}

async function tokenize(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { operands, options } = splitOperands(args, rows)
  const { engine, own } = parseOptions(options, rows)
  if (operands.length > 1) throw new UsageError('Give one text, in quotes where it has spaces.')
  if (['ids', 'count', 'json'].filter(name => own[name] === true).length > 1) {
    throw new UsageError('Give one of --ids, --count and --json.')
  }
  const text = operands[0] ?? (await readAll(streams.stdin))
  const directory = await withInterrupt(async signal => {
    const bar = new DownloadBar(streams.stderr, process.env)
    try {
      const { model, revision } = engine
      if (model === undefined) return bundledModelDirectory()
      return await resolveModel(model, {
        ...hubSettingsOf(engine),
        ...(revision !== undefined && { revision }),
        purpose: 'tokenizer',
        signal,
        onProgress: bar.show,
        onNotice: message => streams.stderr.write(`quire: ${message}\n`),
      })
    } finally {
      bar.finish()
    }
  })
  const tokenizer = await Text.load(await loadNative(), directory, undefined)
  const [encoded] = await tokenizer.encode([text], own['no-special-tokens'] !== true)
  const ids = Array.from(encoded as Int32Array)
  streams.stdout.write(output(ids, tokenizer, own))
  return 0
}

function output(ids: readonly number[], tokenizer: Text, own: Readonly<Record<string, unknown>>): string {
  if (own.count === true) return `${ids.length}\n`
  if (own.ids === true) return `${ids.join(' ')}\n`
  const pieces = ids.map((id, index) => tokenizer.decodedToken(ids.slice(Math.max(0, index - 8), index), id))
  if (own.json === true) return `${JSON.stringify({ count: ids.length, ids, pieces })}\n`
  const width = Math.max(0, ...ids.map(id => String(id).length))
  const lines = ids.map((id, index) => `${String(id).padStart(width)}  ${JSON.stringify(pieces[index])}\n`)
  return `${lines.join('')}${ids.length} tokens\n`
}

/** All of standard input, to the byte. */
async function readAll(stdin: Streams['stdin']): Promise<string> {
  if (stdin.isTTY) throw new UsageError('Give a text, or pipe one in.')
  const parts: Buffer[] = []
  for await (const part of stdin) parts.push(Buffer.from(part as Uint8Array))
  return Buffer.concat(parts).toString('utf8')
}
