// Installs the npm packages of the lock file, once per lock file.
import { existsSync } from 'node:fs'
import { mustExecute } from './execute.mjs'
import { inRoot, packageFolders } from './repository.mjs'
import { unlessFresh } from './stamp.mjs'
import { StepError } from './step-error.mjs'

/** @throws {StepError} npm ci failed, or its packages stayed absent. */
export async function installPackages() {
  await unlessFresh({
    stamp: inRoot('node_modules', '.quire-installed'),
    inputs: ['package-lock.json', 'package.json', ...packageFolders.map(folder => `${folder}/package.json`)],
    outputs: ['node_modules/.bin/tsc', 'node_modules/.bin/napi'],
    facts: [process.version, process.platform, process.arch],
    make: async () => {
      // Tools are wanted even where NODE_ENV is production.
      const flags = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline']
      await mustExecute('Installing the npm packages', 'npm', flags, { output: 'stderr' })
    },
  })
  if (!existsSync(inRoot('node_modules'))) throw new StepError('npm ci left no node_modules folder.')
}
