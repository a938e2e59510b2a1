// `npm run docs:build`: the documentation site in docs/.vitepress/dist, with the API reference of what was just built. An
// export without a comment and a link to nothing fail it. `QUIRE_DOCS_BASE=/quire/` for a site below its host's top.
import { rm } from 'node:fs/promises'
import { build } from './build.mjs'
import { mustExecute } from './execute.mjs'
import { inRoot, npmProgram } from './repository.mjs'
import { runMain, StepError } from './step-error.mjs'

await runMain(async () => {
  await build()
  const { makeApiReference } = await import('../../docs/.vitepress/api-reference.mjs')
  await rm(inRoot('docs', 'api'), { recursive: true, force: true })
  const warnings = await makeApiReference()
  if (warnings.length > 0) throw new StepError(`The API reference is not whole:\n${warnings.join('\n')}`)
  await mustExecute('Building the site', npmProgram('vitepress'), ['build', 'docs'])
})
