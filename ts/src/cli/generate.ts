// `quire generate`: continues prompts. With --json one RequestOutput per line, in prompt order; else the text as it comes.

import { createInterface } from 'node:readline'
import type { SamplingParams } from '../config/index.js'
import type { RequestOutput } from '../engine/index.js'
import { RequestAbortedError } from '../errors.js'
import { LLM } from '../node-llm.js'
import { announce } from './announce.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import { engineRows, helpOf, type OptionRow, parseOptions, samplingRows } from './options.js'
import type { Streams } from './streams.js'
import { UsageError } from './usage-error.js'

const DEFAULT_MAX_TOKENS = 256

const ownRows: readonly OptionRow[] = [
  {
    name: 'prompt',
    kind: 'texts',
    value: 'TEXT',
    help: 'a prompt (repeatable; default: one per line of standard input)',
  },
  { name: 'json', kind: 'flag', help: 'print one RequestOutput per line, in prompt order' },
  { name: 'echo', kind: 'flag', help: 'print each prompt before its text' },
]
const rows = [...ownRows, ...samplingRows, ...engineRows]

export const generateCommand = {
  summary: 'continue prompts',
  help: `Usage: quire generate [options]\n\nContinues prompts.\n\nOptions:\n${helpOf(rows)}\n`,
  run: generate,
}

async function generate(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { engine, sampling, own } = parseOptions(args, rows)
  const prompts = (own.prompt as readonly string[] | undefined) ?? (await readLines(streams.stdin))
  return withInterrupt(async (signal): Promise<ExitCode> => {
    try {
      await using llm = await LLM.create({ ...engine, signal })
      announce(llm, streams)
      const params = llm.defaultSamplingParams.with({ maxTokens: DEFAULT_MAX_TOKENS, ...sampling })
      if (own.json === true) await printJson(llm, prompts, params, signal, streams)
      else await printText(llm, prompts, params, signal, own.echo === true, streams)
      return 0
    } catch (error) {
      if (!(error instanceof RequestAbortedError)) throw error
      streams.stdout.write('\n')
      return 130
    }
  })
}

async function printJson(
  llm: LLM,
  prompts: readonly string[],
  params: SamplingParams,
  signal: AbortSignal,
  { stdout }: Streams,
): Promise<void> {
  for (const output of await llm.generate(prompts, params, { signal })) stdout.write(`${JSON.stringify(output)}\n`)
}

/** All prompts run together; each is printed when those before it are complete, the first of them as it comes. */
async function printText(
  llm: LLM,
  prompts: readonly string[],
  params: SamplingParams,
  signal: AbortSignal,
  echo: boolean,
  { stdout }: Streams,
): Promise<void> {
  const [first, ...others] = prompts
  if (params.n > 1) {
    for (const output of await llm.generate(prompts, params, { signal })) printWhole(output, echo, stdout)
    return
  }
  const rest = llm.generate(others, params, { signal })
  rest.catch(() => {}) // told below, once the first prompt's text is out
  if (echo) stdout.write(first as string)
  for await (const delta of llm.stream(first as string, params, { signal })) {
    for (const { text } of delta.outputs) stdout.write(text)
  }
  stdout.write('\n')
  for (const output of await rest) printWhole(output, echo, stdout)
}

function printWhole(output: RequestOutput, echo: boolean, stdout: Streams['stdout']): void {
  for (const { text } of output.outputs) stdout.write(`${echo ? (output.prompt ?? '') : ''}${text}\n`)
}

async function readLines(stdin: Streams['stdin']): Promise<readonly string[]> {
  if (stdin.isTTY) throw new UsageError('Give a prompt: --prompt TEXT, or one prompt per line on standard input.')
  const lines: string[] = []
  for await (const line of createInterface({ input: stdin })) {
    if (line !== '') lines.push(line)
  }
  if (lines.length === 0) throw new UsageError('Standard input has no prompt: give one per line, or --prompt TEXT.')
  return lines
}
