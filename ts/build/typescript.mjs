// Compiles ts/ and the plugins with tsc, in the order of their project references.
import { join } from 'node:path'
import { mustExecute } from './execute.mjs'
import { npmProgram, targetDirectory } from './repository.mjs'
import { unlessFresh } from './stamp.mjs'

/** @throws {StepError} the sources do not compile. */
export function compileTypeScript() {
  return unlessFresh({
    stamp: join(targetDirectory, 'quire-build', 'typescript'),
    inputs: [
      ...['tsconfig.json', 'tsconfig.base.json', 'package-lock.json'],
      ...['ts/src', 'ts/tsconfig.json', 'ts/package.json', 'ts/native'],
      ...['plugins/candle-cpu/src', 'plugins/candle-cpu/tsconfig.json', 'plugins/candle-cpu/package.json'],
      'plugins/candle-cpu/native',
    ],
    outputs: ['ts/dist/index.js', 'plugins/candle-cpu/dist'],
    make: () => mustExecute('Compiling TypeScript', npmProgram('tsc'), ['-b'], { output: 'stderr' }),
  })
}
