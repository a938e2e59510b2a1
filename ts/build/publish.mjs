// `node ts/build/publish.mjs [--dry-run]`: publishes the tarballs of dist/packages, those first that others depend on. What the
// registry has already is passed over, so that a release that broke off can be run again. Whoever runs it is logged in, or is a
// workflow that the registry trusts: then the packages get their provenance.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mustExecute, outputOf } from './execute.mjs'
import { PACKED_INDEX } from './pack.mjs'
import { inRoot } from './repository.mjs'
import { runMain } from './step-error.mjs'

await runMain(async commandArguments => {
  const { values } = parseArgs({ args: commandArguments, options: { 'dry-run': { type: 'boolean', default: false } } })
  const packages = inRoot('dist', 'packages')
  const flags = [
    ...(values['dry-run'] ? ['--dry-run'] : []),
    ...(process.env.GITHUB_ACTIONS && !values['dry-run'] ? ['--provenance'] : []),
  ]
  for (const { name, version, filename } of JSON.parse(await readFile(join(packages, PACKED_INDEX), 'utf8'))) {
    if ((await outputOf('npm', ['view', `${name}@${version}`, 'version'])) === version) {
      console.log(`${name}@${version} is published`)
      continue
    }
    await mustExecute(`Publishing ${name}`, 'npm', [
      'publish',
      join(packages, filename),
      '--access',
      'public',
      ...flags,
    ])
  }
})
