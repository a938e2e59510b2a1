// `npm run test:arm64`: the tests of what has kernels for NEON, compiled for aarch64 Linux and run under QEMU where this machine is of
// another kind. On Debian it needs gcc-aarch64-linux-gnu and qemu-user-static. Minutes, so not a part of `npm test`.

import { crossCompiler } from '../ts/build/cross-compiler.mjs'
import { execute, outputOf } from '../ts/build/execute.mjs'
import { targetDirectory } from '../ts/build/repository.mjs'
import { runMain, StepError } from '../ts/build/step-error.mjs'
import { CargoTally } from './tally/cargo-tally.mjs'

const TARGET = 'aarch64-unknown-linux-gnu'
const LINKER = 'aarch64-linux-gnu-gcc'
const EMULATORS = ['qemu-aarch64-static', 'qemu-aarch64']

/** Where Debian's cross compiler has the C library. */
const LIBRARIES = '/usr/aarch64-linux-gnu'

const PACKAGES = ['quire-blocks', 'quire-kernels', 'quire-models', 'quire-sampler']

await runMain(async () => {
  const tally = new CargoTally()
  const { cargo, environment } = await crossCompiler(TARGET)
  const flags = ['--locked', '--release', '--lib', '--tests', '--no-fail-fast', '--target', TARGET]
  const code = await execute(cargo, ['test', ...flags, ...PACKAGES.flatMap(name => ['-p', name])], {
    environment: { CARGO_TARGET_DIR: targetDirectory, ...environment, ...(await toolsFor()) },
    onLine: line => {
      tally.line(line)
      console.log(line)
    },
  })
  const { passed, failed, skipped } = tally.finish(code)
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  return failed > 0 || passed === 0 ? 1 : 0
})

/** A linker, and what runs the tests. @throws {StepError} one of them is missing. */
async function toolsFor() {
  if (process.arch === 'arm64' && process.platform === 'linux') return {}
  const name = `CARGO_TARGET_${TARGET.toUpperCase().replaceAll('-', '_')}`
  const found = await Promise.all(EMULATORS.map(emulator => outputOf(emulator, ['--version'])))
  const emulator = EMULATORS.find((_, index) => found[index] !== undefined)
  const isComplete = emulator !== undefined && (await outputOf(LINKER, ['--version'])) !== undefined
  if (!isComplete)
    throw new StepError(
      `${LINKER} and ${EMULATORS[0]} are needed: on Debian, gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user-static.`,
    )
  return { [`${name}_LINKER`]: LINKER, [`${name}_RUNNER`]: `${emulator} -L ${LIBRARIES}` }
}
