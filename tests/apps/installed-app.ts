// Apps on disk, installed by npm and by pnpm from the same tarballs, which are packed once. What Quire depends on comes from the
// package managers' caches, and from the registry the first time.

import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ownTarballs } from './own-tarballs.js'
import { directDependencies, isDefault, type PackageFiles, pluginPackages } from './plugin-packages.js'
import { type Finished, run, succeeded } from './run-program.js'
import { npm, pnpmStore } from './runtimes.js'

const pluginJavascript = fileURLToPath(new URL('../fixtures/plugin-javascript', import.meta.url))

/** A folder for everything that these tests write, and the tarballs in it. */
export class Workplace {
  readonly folder: string
  readonly #tarballs: Readonly<Record<string, string>>

  private constructor(folder: string, tarballs: Readonly<Record<string, string>>) {
    this.folder = folder
    this.#tarballs = tarballs
  }

  /** With the packages of this repository and the small ones. */
  static async create(): Promise<Workplace> {
    const folder = await mkdtemp(join(tmpdir(), 'quire-apps-'))
    const sources = join(folder, 'sources')
    for (const [name, files] of Object.entries(pluginPackages)) await writeFiles(join(sources, name), files)
    const tarballs = join(folder, 'tarballs')
    await mkdir(tarballs)
    const packages = [pluginJavascript, ...Object.keys(pluginPackages).map(name => join(sources, name))]
    const flags = ['--json', '--ignore-scripts', '--pack-destination', tarballs]
    const packed = JSON.parse(succeeded(await run([npm, 'pack', ...flags, ...packages], folder))) as Packed[]
    const own = (await ownTarballs()).filter(({ name }) => isDefault(name))
    return new Workplace(
      folder,
      Object.fromEntries([
        ...own.map(({ name, path }) => [name, `file:${path}`]),
        ...packed.map(({ name, filename }) => [name, `file:${join(tarballs, filename)}`]),
      ]),
    )
  }

  /** An app in the layout of npm: everything side by side in node_modules. */
  async npmApp(): Promise<InstalledApp> {
    const app = await this.#app('npm', { overrides: this.#indirect() })
    const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
    succeeded(await run([npm, 'install', ...flags], app.folder))
    return app
  }

  /** An app in the layout of pnpm: node_modules has what the app lists, as links. */
  async pnpmApp(pnpm: readonly string[]): Promise<InstalledApp> {
    const app = await this.#app('pnpm', { pnpm: { overrides: this.#indirect() } })
    const flags = ['--prefer-offline', '--ignore-scripts', '--store-dir', pnpmStore, '--reporter=append-only']
    succeeded(await run([...pnpm, 'install', ...flags] as [string, ...string[]], app.folder))
    return app
  }

  /** A folder with a package.json that lists nothing: what a bundle is deployed to. */
  async emptyApp(name: string): Promise<InstalledApp> {
    const folder = join(this.folder, name)
    await writeFiles(folder, { 'package.json': { name, private: true, type: 'module' } })
    return new InstalledApp(folder)
  }

  /** Paths of the tarballs, by the packages' names. */
  get tarballs(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.entries(this.#tarballs).map(([name, location]) => [name, location.slice('file:'.length)]),
    )
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }

  async #app(layout: string, more: object): Promise<InstalledApp> {
    const folder = join(this.folder, `app-${layout}`)
    const dependencies = Object.fromEntries(directDependencies.map(name => [name, this.#tarballs[name]]))
    await writeFiles(folder, { 'package.json': { name: 'app', private: true, type: 'module', dependencies, ...more } })
    return new InstalledApp(folder)
  }

  /** Where packages come from that the app does not list. */
  #indirect(): Record<string, string | undefined> {
    const listed: readonly string[] = directDependencies
    return Object.fromEntries(Object.entries(this.#tarballs).filter(([name]) => !listed.includes(name)))
  }
}

export class InstalledApp {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  write(files: PackageFiles): Promise<void> {
    return writeFiles(this.folder, files)
  }

  run(command: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished> {
    return run(command as [string, ...string[]], this.folder, env)
  }

  /** Names in node_modules. */
  installed(): Promise<string[]> {
    return readdir(join(this.folder, 'node_modules'))
  }

  /** A file of the app as a module specifier. */
  url(path: string): string {
    return pathToFileURL(join(this.folder, path)).href
  }
}

interface Packed {
  readonly name: string
  readonly filename: string
}

async function writeFiles(folder: string, files: PackageFiles): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  }
}
