// The example app as packagers make it: its files and the packed packages in an archive by @electron/asar, with what the recipe
// says beside it. The archive is then laid out as the stand-in for Electron wants it.

import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Workplace } from '../apps/installed-app.js'
import { run, succeeded } from '../apps/run-program.js'
import { npm } from '../apps/runtimes.js'

const example = fileURLToPath(new URL('../../examples/electron/', import.meta.url))
/** Read by JavaScript through Electron, packed or not. */
const CODE = new Set(['.js', '.mjs', '.cjs', '.json'])

interface ArchiveEntry {
  readonly files?: Readonly<Record<string, ArchiveEntry>>
  readonly unpacked?: boolean
}

interface Asar {
  createPackageWithOptions(source: string, archive: string, options: { unpackDir: string }): Promise<void>
  extractFile(archive: string, path: string): Buffer
  getRawHeader(archive: string): { header: ArchiveEntry }
}

export interface PackagedApp {
  /** The folder that is `resources` in an app. */
  readonly resources: string
  /** Files of the archive, and whether they were left unpacked. */
  readonly files: ReadonlyMap<string, boolean>
  remove(): Promise<void>
}

/** @param asarModule the entry point of @electron/asar. */
export async function packagedApp(asarModule: string): Promise<PackagedApp> {
  const asar = createRequire(import.meta.url)(asarModule) as Asar
  const place = await Workplace.create()
  const source = join(place.folder, 'electron-app')
  await cp(join(example, 'src'), join(source, 'src'), { recursive: true })
  await install(source, place.tarballs)
  const resources = join(place.folder, 'resources')
  const archive = join(resources, 'app.asar')
  await mkdir(resources)
  const { packagerConfig } = createRequire(import.meta.url)(join(example, 'forge.config.cjs')) as {
    packagerConfig: { asar: { unpackDir: string } }
  }
  await asar.createPackageWithOptions(source, archive, packagerConfig.asar)
  await rm(source, { recursive: true })
  const files = filesOf(asar.getRawHeader(archive).header)
  const contents = new Map<string, Buffer | string>()
  for (const [path, unpacked] of files) {
    const real = unpacked ? readFile(join(`${archive}.unpacked`, path)) : asar.extractFile(archive, path)
    contents.set(path, unpacked && !CODE.has(extname(path)) ? 'not in the archive' : await real)
  }
  await rm(archive)
  for (const [path, content] of contents) {
    await mkdir(dirname(join(archive, path)), { recursive: true })
    await writeFile(join(archive, path), content)
  }
  return { resources, files, remove: () => place.remove() }
}

async function install(folder: string, tarballs: Readonly<Record<string, string>>): Promise<void> {
  const manifest = JSON.parse(await readFile(join(example, 'package.json'), 'utf8')) as { dependencies: object }
  const own = Object.entries(tarballs).map(([name, path]) => [name, `file:${path}`] as const)
  const direct = own.filter(([name]) => name in manifest.dependencies)
  const overrides = Object.fromEntries(own.filter(([name]) => !(name in manifest.dependencies)))
  const { devDependencies: _, ...kept } = { devDependencies: {}, ...manifest }
  const app = { ...kept, dependencies: Object.fromEntries(direct), overrides }
  await writeFile(join(folder, 'package.json'), JSON.stringify(app))
  const flags = [
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--no-bin-links',
    '--loglevel=error',
  ]
  succeeded(await run([npm, 'install', ...flags], folder))
}

function filesOf(entry: ArchiveEntry, path = ''): Map<string, boolean> {
  const found = new Map<string, boolean>()
  for (const [name, inside] of Object.entries(entry.files ?? {})) {
    const inner = path === '' ? name : `${path}/${name}`
    if (inside.files === undefined) found.set(inner, inside.unpacked === true)
    else for (const [file, unpacked] of filesOf(inside, inner)) found.set(file, unpacked)
  }
  return found
}
