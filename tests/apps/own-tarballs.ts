// The tarballs of this repository's packages, as `npm run pack` makes them. `npm test` packs once and says where in
// QUIRE_PACKAGES; a test file that is run alone packs for itself.

import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PACKED_INDEX, packPackages } from '../../ts/build/pack.mjs'
import { run, succeeded } from './run-program.js'

export interface OwnTarball {
  readonly name: string
  readonly path: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string }[]
}

let packed: Promise<readonly OwnTarball[]> | undefined

/** Every package that has been built, this machine's platform packages included, in the order in which they can be published. */
export function ownTarballs(): Promise<readonly OwnTarball[]> {
  packed ??= find(process.env.QUIRE_PACKAGES)
  return packed
}

/** Unpacks those that are wanted below a folder's node_modules, as a package manager would; says which. */
export async function unpackTarballs(folder: string, isWanted: (name: string) => boolean): Promise<readonly string[]> {
  const wanted = (await ownTarballs()).filter(({ name }) => isWanted(name))
  for (const { name, path } of wanted) {
    const target = join(folder, 'node_modules', name)
    await mkdir(target, { recursive: true })
    succeeded(await run(['tar', '-xzf', path, '-C', target, '--strip-components=1'], folder))
  }
  return wanted.map(({ name }) => name)
}

async function find(folder: string | undefined): Promise<readonly OwnTarball[]> {
  const found = folder || (await packIntoTemporary())
  const index = JSON.parse(await readFile(join(found, PACKED_INDEX), 'utf8')) as (OwnTarball & { filename: string })[]
  return index.map(({ filename, ...facts }) => ({ ...facts, path: join(found, filename) }))
}

async function packIntoTemporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quire-packages-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await packPackages(folder)
  return folder
}
