// Makes the declarations that are packed: of what the entries of a package export and no more, so that no internal type and no
// package of another can be seen through them.
import { cp, readdir, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'
import { StepError } from './step-error.mjs'

/**
 * @param {string} folder of a staged package, whose `dist` has a declaration for every module
 * @param {object} manifest its package.json, whose `exports` name the entries
 * @throws {StepError} a declaration cannot be read.
 */
export async function bundleTypes(folder, manifest) {
  const dist = join(folder, 'dist')
  const made = join(folder, 'declarations')
  const entries = [...new Set(typesOf(manifest.exports))].map(path => relative('dist', path))
  try {
    const bundle = await rollup({
      input: Object.fromEntries(entries.map(path => [path.replace(/\.d\.ts$/, ''), join(dist, path)])),
      external: [/^[^./]/],
      treeshake: { moduleSideEffects: false },
      plugins: [dts()],
      // An entry without exports is empty on purpose; types that are shared between entries need no name of their own.
      onwarn: () => {},
    })
    await bundle.write({ dir: made, entryFileNames: '[name].d.ts', chunkFileNames: 'types/[name]-[hash].d.ts' })
    await bundle.close()
  } catch (error) {
    throw new StepError(`Bundling the types of ${manifest.name} failed: ${error.message}`)
  }
  const isDeclaration = file => file.endsWith('.d.ts')
  for (const file of (await readdir(dist, { recursive: true })).filter(isDeclaration)) await rm(join(dist, file))
  await cp(made, dist, { recursive: true })
  await rm(made, { recursive: true })
}

/** Of conditions and subpaths, those for types. */
function typesOf(part) {
  if (typeof part !== 'object') return []
  return Object.entries(part).flatMap(([name, value]) => (name === 'types' ? [value] : typesOf(value)))
}
