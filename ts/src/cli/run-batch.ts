// `quire run-batch`: a file of requests in, a file of answers out. What it runs is imported when it does.

import type { ExitCode } from './main.js'
import { helpOf, type OptionRow } from './options.js'
import type { Streams } from './streams.js'

export const batchRows: readonly OptionRow[] = [
  { name: 'input-file', kind: 'text', value: 'FILE', help: '(-i) requests, one JSON object a line; or a URL' },
  {
    name: 'output-file',
    kind: 'text',
    value: 'FILE',
    help: '(-o) answers, one a line; or a URL, which gets them by PUT',
  },
  { name: 'output-tmp-dir', kind: 'text', value: 'DIR', help: 'where answers for a URL are kept till all are there' },
  { name: 'max-concurrency', kind: 'number', value: 'N', help: 'requests at once (default: 256)' },
  { name: 'unordered', kind: 'flag', help: 'write answers as they come, rather than in the order of the requests' },
  { name: 'overwrite', kind: 'flag', help: 'begin anew, rather than go on where an earlier run has ended' },
  { name: 'retry-failed', kind: 'flag', help: 'ask again what has failed in an earlier run' },
]

export const runBatchCommand = {
  summary: 'answer a file of requests',
  help: `Usage: quire run-batch -i FILE -o FILE [options]

Answers a file in the form of OpenAI's batches: lines of {custom_id, method, url, body}, for chat completions, completions,
responses, embeddings, score and rerank. A line that cannot be run gets a row with its error; the others go on. Run it again
after an interruption and it goes on: custom_ids that have a row are not asked again.

Options:
${helpOf(batchRows)}

And the options of \`quire serve\` for the model, the engine and its endpoints: --model, --served-model-name, ...
`,
  run: async (args: readonly string[], streams: Streams): Promise<ExitCode> =>
    (await import('./batch/batch-command.js')).runBatchFile(args, streams),
}
