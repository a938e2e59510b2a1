// Finds plugins among the app's own dependencies: never transitive ones, never a folder scan. Nothing is imported here.

import { readFile, realpath } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PluginError } from '../errors.js'
import type { FrameworkPlugin } from './framework-plugin.js'
import { importInTurn } from './import-in-turn.js'
import { checkPlugin, checkSpecVersion, type PluginSource } from './registry.js'

/** A package.json, as far as discovery reads it. */
interface PackageManifest {
  readonly name?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly quire?: { readonly plugin?: unknown; readonly specVersion?: unknown; readonly name?: unknown }
}

/** Where the app may be. */
export interface AppLocation {
  /** The working directory: the nearest package.json, here or above, is an app's. */
  readonly appDirectory: string
  /** The program that was started (`process.argv[1]`): so is the one nearest to the file that it stands for. */
  readonly entryScript?: string
}

/**
 * The plugins among the direct dependencies of the app, in the order of its package.json. A dependency is a plugin if its own
 * package.json has `"quire": { "plugin": "./path.js", "specVersion": 1 }`; a `"name"` there spares importing it to learn it.
 */
export async function discoverPlugins({ appDirectory, entryScript }: AppLocation): Promise<PluginSource[]> {
  const entry = entryScript === undefined ? undefined : await realpath(entryScript).catch(() => undefined)
  const places = entry === undefined ? [appDirectory] : [dirname(entry), appDirectory]
  const sources = (await Promise.all(places.map(dependenciesOf))).flat()
  return sources.filter(({ origin }, index) => sources.findIndex(each => each.origin === origin) === index)
}

/** The plugin whose package.json lies in `folder`, as one under development. @throws PluginError if there is none. */
export async function pluginInFolder(folder: string): Promise<PluginSource> {
  const manifest = await readManifest(join(folder, 'package.json'))
  const source = manifest && sourceOf(manifest.name ?? folder, folder, manifest)
  if (source !== undefined) return source
  throw new PluginError(
    `There is no plugin in ${folder}: its package.json must have "quire": { "plugin": "./path.js" }.`,
  )
}

async function dependenciesOf(directory: string): Promise<PluginSource[]> {
  const app = await nearestManifest(directory)
  if (app === undefined) return []
  const names = Object.keys({ ...app.manifest.dependencies, ...app.manifest.optionalDependencies })
  const found = names.map(async name => {
    const dependency = await findDependency(name, app.path)
    return dependency && sourceOf(name, dependency.folder, dependency.manifest)
  })
  return (await Promise.all(found)).filter(source => source !== undefined)
}

function sourceOf(origin: string, folder: string, { quire }: PackageManifest): PluginSource | undefined {
  if (typeof quire !== 'object' || quire === null || quire.plugin === undefined) return undefined
  const { plugin: entry, name, specVersion } = quire
  return {
    ...(typeof name === 'string' && { name }),
    origin,
    kind: 'installed',
    load: async () => {
      checkSpecVersion(specVersion, origin)
      const plugin = checkPlugin(await importPlugin(folder, entry, origin), origin)
      if (typeof name === 'string' && name !== plugin.name) {
        throw new PluginError(`The plugin from ${origin} is '${plugin.name}', but its package.json says '${name}'.`, {
          details: { origin, given: plugin.name, declared: name },
        })
      }
      return plugin
    },
  }
}

/** The plugin object of an ES module or a CommonJS one: `plugin`, else the default export. */
async function importPlugin(folder: string, entry: unknown, origin: string): Promise<unknown> {
  const path = typeof entry === 'string' ? join(folder, entry) : folder
  const inside = relative(folder, path)
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new PluginError(`The package.json of ${origin} names no file of its own in quire.plugin.`, {
      details: { origin, given: entry },
    })
  }
  try {
    const module = await importInTurn(() => import(pathToFileURL(path).href) as Promise<ModuleOfPlugin>)
    return module.plugin ?? module.default?.plugin ?? module.default
  } catch (cause) {
    throw new PluginError(`The plugin from ${origin} cannot be imported: ${(cause as Error).message}`, {
      cause,
      details: { origin, path },
    })
  }
}

interface ModuleOfPlugin {
  readonly plugin?: FrameworkPlugin
  readonly default?: FrameworkPlugin & { readonly plugin?: FrameworkPlugin }
}

/** A dependency by the app's own resolution; its `exports` need not list package.json. */
async function findDependency(packageName: string, appManifest: string) {
  for (const modules of createRequire(appManifest).resolve.paths(packageName) ?? []) {
    const folder = join(modules, packageName)
    const manifest = await readManifest(join(folder, 'package.json'))
    if (manifest !== undefined) return { folder, manifest }
  }
  return undefined
}

async function nearestManifest(directory: string): Promise<{ path: string; manifest: PackageManifest } | undefined> {
  for (let folder = directory; ; folder = dirname(folder)) {
    const path = join(folder, 'package.json')
    const manifest = await readManifest(path)
    if (manifest !== undefined) return { path, manifest }
    if (folder === dirname(folder)) return undefined
  }
}

async function readManifest(path: string): Promise<PackageManifest | undefined> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'))
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}
