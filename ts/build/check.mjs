// `npm run check`: formatters, linters, types, licences, advisories. Runs all of them, then names those that failed. Clippy takes
// as long as all others, which run beside it.
import { checkAdvisories } from './advisories.mjs'
import { build } from './build.mjs'
import { mustExecute } from './execute.mjs'
import { checkLicences } from './licences.mjs'
import { npmProgram } from './repository.mjs'
import { targetFlags } from './rust-target.mjs'
import { runMain, StepError } from './step-error.mjs'

/** Each resolves, perhaps to a remark, or throws a StepError. */
const OF_RUST = {
  'cargo fmt': () => mustExecute('cargo fmt', 'cargo', ['fmt', '--all', '--check']),
  clippy,
}
const OF_ALL_ELSE = {
  biome: () => mustExecute('biome', npmProgram('biome'), ['check', '--error-on-warnings', '.']),
  types: () => mustExecute('tsc', npmProgram('tsc'), ['-b']),
  'types of tests': () => mustExecute('tsc', npmProgram('tsc'), ['-p', 'tests']),
  licences: async () => `${await checkLicences()} packages, all on the list`,
  advisories: async () => {
    const { failed, lines } = await checkAdvisories()
    if (failed) throw new StepError(lines.join('\n'))
    return lines.join('; ')
  },
}

await runMain(async () => {
  await build()
  const failed = (await Promise.all([OF_RUST, OF_ALL_ELSE].map(failuresOf))).flat()
  if (failed.length > 0) throw new StepError(`npm run check: ${failed.join(', ')} failed.`)
})

/** In the profile and for the target of the build, whose build scripts and macros it shares. */
async function clippy() {
  const flags = ['--locked', '--release', '--workspace', '--all-targets', ...(await targetFlags())]
  await mustExecute('clippy', 'cargo', ['clippy', ...flags, '--', '-D', 'warnings'])
}

/** Runs checks one after the other. */
async function failuresOf(checks) {
  const failed = []
  for (const [name, check] of Object.entries(checks)) {
    try {
      const remark = await check()
      console.log(`check ${name}: ok${typeof remark === 'string' ? ` (${remark})` : ''}`)
    } catch (error) {
      if (!(error instanceof StepError)) throw error
      console.log(`check ${name}: FAILED\n${error.message}`)
      failed.push(name)
    }
  }
  return failed
}
