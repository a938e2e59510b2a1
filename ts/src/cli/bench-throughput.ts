// `quire bench throughput`: all requests at once, in this process.

import { throughputBench, throughputJson, throughputReport } from '../bench/index.js'
import { check } from '../config/check.js'
import { datasetRows, normalArgs, readDataset, readInteger, readText, writeResult } from './bench-options.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import { engineRows, helpOf, type OptionRow, parseOptions } from './options.js'
import type { Streams } from './streams.js'

const ownRows: readonly OptionRow[] = [
  { name: 'backend', kind: 'text', value: 'NAME', help: 'quire; vllm is another word for it (default: quire)' },
  ...datasetRows,
  { name: 'prefix-len', kind: 'text', value: 'N', help: 'tokens that all prompts of random and sonnet share' },
  { name: 'n', kind: 'text', value: 'N', help: 'continuations of each prompt (default: 1)' },
  { name: 'num-warmups', kind: 'text', value: 'N', help: 'requests before the measurement (default: 0)' },
  { name: 'async-engine', kind: 'flag', help: 'stream every request, rather than wait for the batch' },
  { name: 'prequeue-requests', kind: 'flag', help: 'queue all requests before the first step, as is always done' },
  { name: 'disable-detokenize', kind: 'flag', help: 'leave outputs as token ids' },
  { name: 'output-json', kind: 'text', value: 'FILE', help: 'also write the result here' },
]
const rows = [...ownRows, ...engineRows]

export const throughputCommand = {
  summary: 'tokens per second of many requests, in this process',
  help: `Usage: quire bench throughput [options]\n\nMeasures many requests that are there from the start.\n\nOptions:\n${helpOf(rows)}\n`,
  run: throughput,
}

async function throughput(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { engine, own } = parseOptions(normalArgs(args, rows), rows)
  check.choice('backend', own.backend ?? 'quire', ['quire', 'vllm'])
  const dataset = readDataset(own, readText(own, 'dataset-path') === undefined ? 'random' : 'sharegpt')
  const prefixLen = readInteger(own, 'prefix-len', 0)
  const result = await withInterrupt(signal =>
    throughputBench(
      {
        engine,
        dataset:
          prefixLen === undefined
            ? dataset
            : { ...dataset, random: { ...dataset.random, prefixLen }, sonnet: { ...dataset.sonnet, prefixLen } },
        n: readInteger(own, 'n', 1) ?? 1,
        numWarmups: readInteger(own, 'num-warmups', 0) ?? 0,
        asyncEngine: own['async-engine'] === true,
        disableDetokenize: own['disable-detokenize'] === true,
      },
      line => streams.stdout.write(`${line}\n`),
      signal,
    ),
  )
  streams.stdout.write(throughputReport(result))
  const output = readText(own, 'output-json')
  if (output !== undefined) {
    await writeResult('output-json', output, `${JSON.stringify(throughputJson(result), null, 4)}\n`)
  }
  return 0
}
