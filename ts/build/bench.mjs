// `npm run bench [-- micro|engine|serving|frameworks|peers|browser ...]`: builds, then runs the benches of the named folders (micro and engine
// when none is named: frameworks wants their environments, peers and browser install other engines). Results are printed; what is worth
// keeping goes to benches/results, and is drawn there (plots).
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { build } from './build.mjs'
import { mustExecute } from './execute.mjs'
import { inRoot } from './repository.mjs'
import { runMain, StepError } from './step-error.mjs'

const KINDS = {
  micro: () => mustExecute('cargo bench', 'cargo', ['bench', '--locked', '--workspace', '--benches']),
  engine: () => runFolder('engine'),
  serving: () => runFolder('serving'),
  frameworks: () => runFolder('frameworks'),
  browser: () => mustExecute('benches/browser', process.execPath, [inRoot('benches', 'browser', 'run.mjs')]),
  peers: () => mustExecute('benches/peers', process.execPath, [inRoot('benches', 'peers', 'run.mjs')]),
  plots: () => mustExecute('benches/plots', process.execPath, [inRoot('benches', 'plots', 'plots.mjs')]),
}

async function runFolder(folder) {
  const path = inRoot('benches', folder)
  const files = existsSync(path) ? (await readdir(path)).filter(name => name.endsWith('.bench.mjs')).sort() : []
  for (const file of files) await mustExecute(file, process.execPath, [inRoot('benches', folder, file)])
}

await runMain(async commandArguments => {
  const kinds = commandArguments.length > 0 ? commandArguments : ['micro', 'engine']
  const unknown = kinds.find(kind => !Object.hasOwn(KINDS, kind))
  if (unknown) throw new StepError(`There are no benches of kind ${unknown}: name ${Object.keys(KINDS).join(', ')}.`)
  await build()
  for (const kind of kinds) await KINDS[kind]()
  if (!kinds.includes('plots')) await KINDS.plots()
})
