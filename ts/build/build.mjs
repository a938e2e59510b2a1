// `npm run build [-- --profile dist]`: everything that the program needs, and nothing twice.
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { compileCrates, packAddons } from './native.mjs'
import { installPackages } from './packages.mjs'
import { checkRequirements } from './requirements.mjs'
import { runMain, StepError } from './step-error.mjs'
import { compileTypeScript } from './typescript.mjs'

/** Installs, compiles and packs. The crates compile while npm installs. @throws {StepError} the first step that failed. */
export async function build(profile = 'release') {
  await checkRequirements()
  const outcomes = await Promise.allSettled([compileCrates(profile), installPackages()])
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  await packAddons(profile)
  await compileTypeScript()
  // Its bundler is one of the packages that were just installed.
  const { bundleWeb } = await import('./web.mjs')
  await bundleWeb()
}

async function main(commandArguments) {
  const { values } = parseArgs({ args: commandArguments, options: { profile: { type: 'string', default: 'release' } } })
  if (!['release', 'dist'].includes(values.profile)) throw new StepError('--profile is release or dist.')
  await build(values.profile)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await runMain(main)
