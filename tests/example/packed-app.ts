// An empty app with packages of this repository installed as `npm pack` makes them: what somebody gets from the registry.

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ownTarballs } from '../apps/own-tarballs.js'
import { isDefault } from '../apps/plugin-packages.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What `npm pack` says of a package. */
interface Tarball {
  readonly name: string
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

export class PackedApp {
  readonly folder: string
  readonly #tarballs: readonly Tarball[]

  private constructor(folder: string, tarballs: readonly Tarball[]) {
    this.folder = folder
    this.#tarballs = tarballs
  }

  /** @param packages names of this repository's packages, or folders of others; beside Quire the app's direct dependencies */
  static async create(packages: readonly string[]): Promise<PackedApp> {
    const folder = await mkdtemp(join(tmpdir(), 'quire-packed-app-'))
    const tarballs = join(folder, 'tarballs')
    await mkdir(tarballs)
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
    const own = (await ownTarballs()).filter(({ name }) => isDefault(name) || packages.includes(name))
    const foreign = packages.filter(name => own.every(tarball => tarball.name !== name))
    const packed = await run(npm, ['pack', '--json', '--pack-destination', tarballs, ...foreign.map(inRoot)], root)
    const made = JSON.parse(succeeded(packed)) as Tarball[]
    const paths = [...own.map(({ path }) => path), ...made.map(({ filename }) => join(tarballs, filename))]
    const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']
    succeeded(await run(npm, ['install', ...flags, ...paths], folder))
    return new PackedApp(folder, made)
  }

  /** Files of a package that the app depends on, in order. */
  packed(name: string): string[] {
    const files = this.#tarballs.find(tarball => tarball.name === name)?.files ?? []
    return files.map(({ path }) => path).sort()
  }

  /** Runs a module of the app's own. */
  async node(source: string, env: Readonly<Record<string, string>> = {}): Promise<Finished> {
    const path = join(this.folder, 'program.mjs')
    await writeFile(path, source)
    return run(process.execPath, [path], this.folder, env)
  }

  /** Runs the command of a package of the app. */
  command(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
    return run(process.execPath, [join(this.folder, 'node_modules', name), ...args], this.folder, env)
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }
}

/** What it printed. @throws if it failed, with what it said. */
export function succeeded({ code, stdout, stderr }: Finished): string {
  if (code === 0) return stdout
  throw new Error(`exit code ${code}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`)
}

function inRoot(path: string): string {
  return join(root, path)
}

async function run(
  file: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const options = { cwd, env: { ...plainEnvironment(), ...env }, maxBuffer: 1 << 26, timeout: 300_000 }
  try {
    return { code: 0, ...(await promisify(execFile)(file, args, options)) }
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
    return { code: typeof code === 'number' ? code : 1, stdout, stderr: stderr || String(error) }
  }
}

/** The environment of these tests without what would choose a framework or a Python. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const chosen = /^(QUIRE_(FRAMEWORK|PLUGINS|PYTHON|HOME)|VIRTUAL_ENV|NODE_OPTIONS|npm_.*)$/i
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !chosen.test(name)))
}
