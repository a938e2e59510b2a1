// `quire list`: the models in the cache, whoever brought them.

import { type CachedModel, type CachedRevision, listCache, readHubSettings } from '../hub/index.js'
import { bytesText } from '../progress-bar.js'
import { hubSettingsOf } from './hub-settings-of.js'
import type { ExitCode } from './main.js'
import { helpOf, hubRows, type OptionRow, parseOptions } from './options.js'
import type { Streams } from './streams.js'

const rows: readonly OptionRow[] = [
  ...hubRows.filter(({ engine }) => engine === 'cacheDir'),
  { name: 'json', kind: 'flag', help: 'print one JSON object' },
]

export const listCommand = {
  summary: 'the models in the cache',
  help: `Usage: quire list [options]

Lists the models in Hugging Face's cache: their revisions, how much of the disk they take, when they were last used.

Options:
${helpOf(rows)}
`,
  run: list,
}

async function list(args: readonly string[], { stdout }: Streams): Promise<ExitCode> {
  const { engine, own } = parseOptions(args, rows)
  const { cacheDir } = await readHubSettings(hubSettingsOf(engine), process.env)
  const models = await listCache(cacheDir)
  if (own.json === true) {
    stdout.write(`${JSON.stringify({ cacheDir, models: models.map(plain) }, null, 2)}\n`)
    return 0
  }
  const total = models.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (models.length === 0) stdout.write(`No models in ${cacheDir}. \`quire pull org/name\` brings one.\n`)
  else stdout.write(`${table(models).join('\n')}\n${models.length} models, ${bytesText(total)} in ${cacheDir}\n`)
  return 0
}

/** What is printed as JSON, without the paths of the contents. */
function plain({ id, directory, sizeBytes, incompleteBytes, lastUsedMs, revisions }: CachedModel): object {
  return {
    id,
    path: directory,
    sizeBytes,
    incompleteBytes,
    lastUsed: isoDate(lastUsedMs),
    revisions: revisions.map(each => ({
      commit: each.commit,
      refs: each.refs,
      path: each.directory,
      numFiles: each.numFiles,
      sizeBytes: each.sizeBytes,
      lastUsed: isoDate(each.lastUsedMs),
      isComplete: each.isComplete,
    })),
  }
}

function table(models: readonly CachedModel[]): string[] {
  const lines = [
    ['model', 'revision', 'size', 'last used', ''],
    ...models.flatMap(model => [
      ...model.revisions.map(each => [
        model.id,
        revisionText(each),
        bytesText(each.sizeBytes),
        isoDate(each.lastUsedMs)?.slice(0, 10) ?? '',
        each.isComplete ? '' : 'not complete',
      ]),
      ...(model.incompleteBytes > 0
        ? [[model.id, '', bytesText(model.incompleteBytes), '', 'interrupted download']]
        : []),
      ...(model.revisions.length === 0 && model.incompleteBytes === 0 ? [[model.id, '', '0 B', '', 'empty']] : []),
    ]),
  ]
  const widths = [0, 1, 2, 3].map(column => Math.max(...lines.map(line => (line[column] as string).length)))
  return lines.map(line =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function revisionText({ commit, refs }: CachedRevision): string {
  return refs.length === 0 ? commit.slice(0, 12) : `${refs.join(', ')} (${commit.slice(0, 12)})`
}

function isoDate(milliseconds: number): string | undefined {
  return milliseconds === 0 ? undefined : new Date(milliseconds).toISOString()
}
