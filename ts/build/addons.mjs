// `node ts/build/addons.mjs --target TRIPLE`: the addons of one platform in dist/binaries, from where `npm run pack --
// --binaries dist/binaries` takes them. For releases: `npm run build` makes those of this machine.
import { rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { buildAddonsFor } from './native.mjs'
import { inRoot } from './repository.mjs'
import { runMain, StepError } from './step-error.mjs'

const OUTPUT = 'dist/binaries'

await runMain(async commandArguments => {
  const { values } = parseArgs({ args: commandArguments, options: { target: { type: 'string' } } })
  if (values.target === undefined) throw new StepError('--target is missing: a triple of rustc, from ts/napi.json.')
  await buildAddonsFor(values.target, OUTPUT)
  // Both addons write their types there; the packages have their own.
  await rm(inRoot(OUTPUT, 'native.d.ts'), { force: true })
})
