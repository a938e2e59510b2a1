// `quire pull`: brings models by name into the cache. Run again it goes on where it was cut off.

import { join } from 'node:path'
import { RequestAbortedError } from '../errors.js'
import { type PullProgress, pull } from '../hub/index.js'
import { bytesText, DownloadBar } from '../progress-bar.js'
import { hubSettingsOf } from './hub-settings-of.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import { splitOperands } from './operands.js'
import { helpOf, hubRows, type OptionRow, parseOptions } from './options.js'
import type { Streams } from './streams.js'
import { UsageError } from './usage-error.js'

const rows: readonly OptionRow[] = [
  ...hubRows.filter(({ engine }) => engine !== 'tokenizerRevision' && engine !== 'offline'),
  { name: 'tokenizer-only', kind: 'flag', help: 'the tokenizer and the chat template, no weights' },
  { name: 'json', kind: 'flag', help: 'print one JSON object per model' },
]

export const pullCommand = {
  summary: 'download models by name',
  help: `Usage: quire pull <org/name[:GGUF][@revision]>... [options]

Brings models into Hugging Face's cache, of their files only those that are needed. Run again it goes on where it was cut off;
what is there is not fetched again. Of a model in GGUF files one is brought: that whose name ends with GGUF, such as Q4_K_M.

Options:
${helpOf(rows)}
`,
  run: pullAll,
}

async function pullAll(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { operands, options } = splitOperands(args, rows)
  const { engine, own } = parseOptions(options, rows)
  if (operands.length === 0)
    throw new UsageError('Which model? Name one as org/name, such as HuggingFaceTB/SmolLM2-135M-Instruct.')
  return withInterrupt(async (signal): Promise<ExitCode> => {
    for (const model of operands) {
      const bar = new DownloadBar(streams.stderr, process.env)
      try {
        const pulled = await pull(model, {
          ...hubSettingsOf(engine),
          ...(engine.revision !== undefined && { revision: engine.revision }),
          purpose: own['tokenizer-only'] === true ? 'tokenizer' : 'model',
          signal,
          onProgress: watcher(model, bar, streams),
        })
        bar.finish()
        tell(pulled, own.json === true, streams)
      } catch (error) {
        bar.finish()
        if (!(error instanceof RequestAbortedError)) throw error
        streams.stderr.write('quire: interrupted. Run the same command again to go on from here.\n')
        return 130
      }
    }
    return 0
  })
}

/** The line on a terminal; in a log, one line that says what will take its time. */
function watcher(model: string, bar: DownloadBar, { stderr }: Streams): (progress: PullProgress) => void {
  let isSilent = stderr.isTTY === true
  return progress => {
    bar.show(progress)
    const { phase, allLoaded, allTotal } = progress
    if (isSilent || phase !== 'download' || allLoaded >= allTotal) return
    isSilent = true
    stderr.write(`quire: downloading ${bytesText(allTotal - allLoaded)} of ${model}\n`)
  }
}

function tell(
  { name, commit, directory, file, files }: Awaited<ReturnType<typeof pull>>,
  isJson: boolean,
  { stdout }: Streams,
): void {
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  const newBytes = files.reduce((sum, { size, isNew }) => sum + (isNew ? size : 0), 0)
  const path = file === undefined ? directory : join(directory, ...file.split('/'))
  const report = { model: name.id, revision: name.revision, commit, path, bytes, newBytes, files }
  const news = newBytes === 0 ? 'nothing was missing' : `${bytesText(newBytes)} new`
  stdout.write(
    isJson
      ? `${JSON.stringify(report)}\n`
      : `${name.id}@${name.revision} (${commit.slice(0, 12)}): ${files.length} files, ${bytesText(bytes)}, ${news}\n${path}\n`,
  )
}
