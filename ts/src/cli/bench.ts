// `quire bench`: finds the benchmark, and gives it its part of the command line.

import { latencyCommand } from './bench-latency.js'
import { serveBenchCommand } from './bench-serve.js'
import { throughputCommand } from './bench-throughput.js'
import type { ExitCode } from './main.js'
import type { Streams } from './streams.js'
import { UsageError } from './usage-error.js'

const benches = { latency: latencyCommand, throughput: throughputCommand, serve: serveBenchCommand } as const

const help = `Usage: quire bench <benchmark> [options]

Measures with vLLM's flags and prints vLLM's labels.

Benchmarks:
${Object.entries(benches)
  .map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`)
  .join('\n')}

\`quire bench <benchmark> --help\` lists the options of one.
`

export const benchCommand = {
  summary: 'measure latency, throughput, or any OpenAI server',
  help: (args: readonly string[]): string => benchOf(args)?.help ?? help,
  run: bench,
}

async function bench(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const found = benchOf(args)
  if (found !== undefined) return found.run(args.slice(1), streams)
  const names = Object.keys(benches).join(', ')
  throw new UsageError(
    args[0] === undefined ? `Which benchmark? ${names}.` : `There is no benchmark '${args[0]}': ${names}.`,
  )
}

function benchOf([name]: readonly string[]): (typeof benches)[keyof typeof benches] | undefined {
  return name !== undefined && Object.hasOwn(benches, name) ? benches[name as keyof typeof benches] : undefined
}
