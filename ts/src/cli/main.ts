// The `quire` command: finds the subcommand, and turns what it throws into a message and an exit code.

import { EngineError, InvalidArgumentError } from '../errors.js'
import { benchCommand } from './bench.js'
import { chatCommand } from './chat.js'
import { completeCommand } from './complete.js'
import { doctorCommand } from './doctor.js'
import { generateCommand } from './generate.js'
import { imatrixCommand } from './imatrix.js'
import { infoCommand } from './info.js'
import { listCommand } from './list.js'
import { pullCommand } from './pull.js'
import { quantizeCommand } from './quantize.js'
import { rmCommand } from './rm.js'
import { runBatchCommand } from './run-batch.js'
import { serveCommand } from './serve.js'
import { setupCommand } from './setup.js'
import type { Streams } from './streams.js'
import { tokenizeCommand } from './tokenize.js'
import { UsageError } from './usage-error.js'
import { version } from './version.js'

/** 0: done. 1: it failed. 2: it was called wrongly. 130: interrupted. */
export type ExitCode = 0 | 1 | 2 | 130

interface Command {
  readonly summary: string
  /** By the arguments where a command has commands of its own. */
  readonly help: string | ((args: readonly string[]) => string)
  run(args: readonly string[], streams: Streams): Promise<ExitCode>
}

const commands: Readonly<Record<string, Command>> = {
  serve: serveCommand,
  generate: generateCommand,
  chat: chatCommand,
  complete: completeCommand,
  tokenize: tokenizeCommand,
  pull: pullCommand,
  list: listCommand,
  rm: rmCommand,
  info: infoCommand,
  quantize: quantizeCommand,
  imatrix: imatrixCommand,
  setup: setupCommand,
  doctor: doctorCommand,
  'run-batch': runBatchCommand,
  bench: benchCommand,
}

const help = `quire: LLM inference for TypeScript, on the framework of your choice.

Usage: quire <command> [options]

Commands:
${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`)
  .join('\n')}

\`quire <command> --help\` lists the options of one command. \`quire --version\` prints the version.
`

/** Runs one command line. Never throws. */
export async function main(args: readonly string[], streams: Streams = process): Promise<ExitCode> {
  const [name, ...rest] = args
  try {
    if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
      streams[name === undefined ? 'stderr' : 'stdout'].write(help)
      return name === undefined ? 2 : 0
    }
    if (name === '--version' || name === '-v') {
      streams.stdout.write(`${version()}\n`)
      return 0
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined)
      throw new UsageError(`There is no command '${name}'. Commands: ${Object.keys(commands).join(', ')}.`)
    const end = rest.indexOf('--') // what comes after it is no option
    if (rest.slice(0, end < 0 ? rest.length : end).some(word => word === '--help' || word === '-h')) {
      streams.stdout.write(typeof command.help === 'string' ? command.help : command.help(rest))
      return 0
    }
    return await command.run(rest, streams)
  } catch (error) {
    streams.stderr.write(`quire: ${describe(error)}\n`)
    return error instanceof UsageError || error instanceof InvalidArgumentError ? 2 : 1
  }
}

function describe(error: unknown): string {
  if (error instanceof UsageError) return error.message
  if (error instanceof EngineError) return `${error.message} [${error.code}]`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
