// Compiles ts/ and the plugins with tsc, in the order of their project references.
import { join } from 'node:path'
import { mustExecute } from './execute.mjs'
import { npmProgram, packageFolders, targetDirectory } from './repository.mjs'
import { unlessFresh } from './stamp.mjs'

/** @throws {StepError} the sources do not compile. */
export function compileTypeScript() {
  return unlessFresh({
    stamp: join(targetDirectory, 'quire-build', 'typescript'),
    inputs: [
      ...['tsconfig.json', 'tsconfig.base.json', 'package-lock.json'],
      ...packageFolders.flatMap(folder =>
        ['src', 'tsconfig.json', 'package.json', 'native'].map(part => `${folder}/${part}`),
      ),
    ],
    outputs: packageFolders.map(folder => `${folder}/dist/index.js`),
    make: () => mustExecute('Compiling TypeScript', npmProgram('tsc'), ['-b'], { output: 'stderr' }),
  })
}
