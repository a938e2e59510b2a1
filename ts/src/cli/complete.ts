// `quire complete`: continues texts in the terminal, one a line. Ctrl-C stops a continuation, not the program; Ctrl-D ends it.

import { answererRows, openAnswerer, withoutShortNames } from './answerer/answerer-options.js'
import type { ExitCode } from './main.js'
import { helpOf, parseOptions } from './options.js'
import type { Streams } from './streams.js'
import { TerminalLines } from './terminal-lines.js'

/** What servers give to completions by themselves is 16 tokens. */
const DEFAULT_LENGTHS = { model: 128, server: 128 }
const hint = 'Ctrl-D ends, Ctrl-C stops a continuation.'

export const completeCommand = {
  summary: 'continue texts in the terminal',
  help: `Usage: quire complete [options]\n\nContinues each line, by a model in this process or by a server. ${hint}\n\nOptions:\n${helpOf(answererRows)}\n`,
  run: complete,
}

async function complete(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const options = parseOptions(withoutShortNames(args), answererRows)
  await using answerer = await openAnswerer(options, DEFAULT_LENGTHS, streams, process.env)
  const lines = new TerminalLines(streams, hint, options.own.stats === true)
  const quick = options.own.quick as string | undefined
  if (quick !== undefined) return await lines.one(signal => answerer.complete(quick, signal))
  await lines.run(async text => {
    await lines.show(signal => answerer.complete(text, signal))
    return true
  })
  return 0
}
