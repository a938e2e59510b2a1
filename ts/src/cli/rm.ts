// `quire rm`: takes models or revisions out of the cache, when it was told twice.

import { createInterface } from 'node:readline/promises'
import { planRemoval, type Removal, readHubSettings, removeFromCache } from '../hub/index.js'
import { bytesText } from '../progress-bar.js'
import { hubSettingsOf } from './hub-settings-of.js'
import type { ExitCode } from './main.js'
import { splitOperands } from './operands.js'
import { helpOf, hubRows, type OptionRow, parseOptions } from './options.js'
import type { Streams } from './streams.js'
import { UsageError } from './usage-error.js'

const rows: readonly OptionRow[] = [
  ...hubRows.filter(({ engine }) => engine === 'cacheDir'),
  { name: 'yes', kind: 'flag', help: 'do not ask' },
  { name: 'json', kind: 'flag', help: 'print one JSON object per model (with --yes)' },
]

export const rmCommand = {
  summary: 'remove models from the cache',
  help: `Usage: quire rm <org/name[@revision]>... [options]

Removes models from Hugging Face's cache, or one revision of a model: a branch, a tag, a commit or the beginning of one. Files
that other revisions have too stay.

Options:
${helpOf(rows)}
`,
  run: remove,
}

async function remove(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { operands, options } = splitOperands(args, rows)
  const { engine, own } = parseOptions(options, rows)
  if (operands.length === 0) throw new UsageError('Which model? `quire list` names those in the cache.')
  const isSure = own.yes === true
  if (own.json === true && !isSure) throw new UsageError('--json asks no questions: give --yes too.')
  if (!isSure && streams.stdin.isTTY !== true) throw new UsageError('There is no terminal to ask on: give --yes.')
  const { cacheDir } = await readHubSettings(hubSettingsOf(engine), process.env)
  for (const operand of operands) {
    const at = operand.indexOf('@')
    const [id, revision] = at === -1 ? [operand, undefined] : [operand.slice(0, at), operand.slice(at + 1)]
    const removal = await planRemoval(cacheDir, id, revision)
    if (!isSure && !(await confirmed(removal, streams))) {
      streams.stderr.write('quire: nothing was removed.\n')
      return 1
    }
    await removeFromCache(removal)
    streams.stdout.write(own.json === true ? `${JSON.stringify(plain(removal))}\n` : `Removed ${describe(removal)}.\n`)
  }
  return 0
}

async function confirmed(removal: Removal, { stdin, stderr }: Streams): Promise<boolean> {
  const terminal = createInterface({ input: stdin, output: stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(`Remove ${describe(removal)}? [y/N] `)).trim())
  } finally {
    terminal.close()
  }
}

function describe({ id, isWhole, revisions, freedBytes }: Removal): string {
  const what = isWhole ? id : `${id}@${revisions.map(({ commit, refs }) => refs[0] ?? commit.slice(0, 12)).join(', ')}`
  return `${what}, ${bytesText(freedBytes)}`
}

function plain({ id, isWhole, revisions, freedBytes }: Removal): object {
  return { model: id, isWhole, commits: revisions.map(({ commit }) => commit), freedBytes }
}
