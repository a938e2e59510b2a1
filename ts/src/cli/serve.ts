// `quire serve`: its options and help. What it runs is imported when it does, so that other commands start without a server.

import type { ExitCode } from './main.js'
import { helpOf } from './options.js'
import { serveGroups } from './serve-options.js'
import type { Streams } from './streams.js'

export const serveCommand = {
  summary: 'serve the OpenAI API',
  help: `Usage: quire serve [model] [options]

Serves a model to every client of OpenAI's API, with vLLM's flags. Numbers may be written 1k (1000) or 1K (1024).

${serveGroups.map(([title, rows]) => `${title}:\n${helpOf(rows)}`).join('\n\n')}
`,
  run: async (args: readonly string[], streams: Streams): Promise<ExitCode> =>
    (await import('./serve-engine.js')).serve(args, streams),
}
