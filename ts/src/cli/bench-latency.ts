// `quire bench latency`: one batch, over and over, in this process.

import { latencyBench, latencyJson, latencyReport } from '../bench/index.js'
import { readInteger, readText, writeResult } from './bench-options.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import { engineRows, helpOf, type OptionRow, parseOptions } from './options.js'
import type { Streams } from './streams.js'

const ownRows: readonly OptionRow[] = [
  { name: 'input-len', kind: 'text', value: 'N', help: 'tokens of a prompt (default: 32)' },
  { name: 'output-len', kind: 'text', value: 'N', help: 'tokens of an answer (default: 128)' },
  { name: 'batch-size', kind: 'text', value: 'N', help: 'prompts at once (default: 8)' },
  { name: 'n', kind: 'text', value: 'N', help: 'continuations of each prompt (default: 1)' },
  { name: 'num-iters-warmup', kind: 'text', value: 'N', help: 'iterations that are not measured (default: 10)' },
  { name: 'num-iters', kind: 'text', value: 'N', help: 'iterations that are (default: 30)' },
  { name: 'disable-detokenize', kind: 'flag', help: 'leave outputs as token ids' },
  { name: 'seed', kind: 'text', value: 'N', help: 'draws the prompts (default: 0)' },
  { name: 'output-json', kind: 'text', value: 'FILE', help: 'also write the result here' },
  { name: 'enable-prefix-caching', kind: 'flag', help: 'reuse equal beginnings (default: no)' },
]
const rows = [...ownRows, ...engineRows.filter(({ name }) => name !== 'no-enable-prefix-caching')]

export const latencyCommand = {
  summary: 'how long one batch takes, in this process',
  help: `Usage: quire bench latency [options]\n\nMeasures how long one batch takes.\n\nOptions:\n${helpOf(rows)}\n`,
  run: latency,
}

async function latency(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { engine, own } = parseOptions(args, rows)
  const count = (name: string, byDefault: number, least = 1): number => readInteger(own, name, least) ?? byDefault
  const result = await withInterrupt(signal =>
    latencyBench(
      {
        engine: { ...engine, enablePrefixCaching: own['enable-prefix-caching'] === true },
        inputLen: count('input-len', 32),
        outputLen: count('output-len', 128),
        batchSize: count('batch-size', 8),
        n: count('n', 1),
        numItersWarmup: count('num-iters-warmup', 10, 0),
        numIters: count('num-iters', 30),
        disableDetokenize: own['disable-detokenize'] === true,
        seed: count('seed', 0, 0),
      },
      line => streams.stdout.write(`${line}\n`),
      signal,
    ),
  )
  streams.stdout.write(latencyReport(result))
  const output = readText(own, 'output-json')
  if (output !== undefined) {
    await writeResult('output-json', output, `${JSON.stringify(latencyJson(result), null, 4)}\n`)
  }
  return 0
}
