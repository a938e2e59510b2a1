// `npm run check`: formatters, linters, types, licences, advisories. Runs all of them, then names those that failed.
import { checkAdvisories } from './advisories.mjs'
import { build } from './build.mjs'
import { mustExecute } from './execute.mjs'
import { checkLicences } from './licences.mjs'
import { npmProgram } from './repository.mjs'
import { runMain, StepError } from './step-error.mjs'

/** Each resolves, perhaps to a remark, or throws a StepError. */
const CHECKS = {
  'cargo fmt': () => mustExecute('cargo fmt', 'cargo', ['fmt', '--all', '--check']),
  clippy: () =>
    mustExecute('clippy', 'cargo', ['clippy', '--locked', '--workspace', '--all-targets', '--', '-D', 'warnings']),
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
  const failed = []
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      const remark = await check()
      console.log(`check ${name}: ok${typeof remark === 'string' ? ` (${remark})` : ''}`)
    } catch (error) {
      if (!(error instanceof StepError)) throw error
      console.log(`check ${name}: FAILED\n${error.message}`)
      failed.push(name)
    }
  }
  if (failed.length > 0) throw new StepError(`npm run check: ${failed.join(', ')} failed.`)
})
