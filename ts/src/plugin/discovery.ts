// Finds plugins among the app's own dependencies: never transitive ones, never a folder scan. Nothing is imported here.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PluginError } from '../errors.js'
import { SPEC_VERSION } from './framework-plugin.js'
import { checkPlugin, type PluginSource } from './registry.js'

/** A package.json, as far as discovery reads it. */
interface PackageManifest {
  readonly name?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly quire?: { readonly plugin?: unknown; readonly specVersion?: unknown; readonly name?: unknown }
}

/**
 * The plugins among the direct dependencies of the app whose package.json is nearest to `directory`.
 * A dependency is a plugin if its package.json has `"quire": { "name", "plugin", "specVersion" }`.
 */
export async function discoverPlugins(directory: string): Promise<PluginSource[]> {
  const app = await nearestManifest(directory)
  if (app === undefined) return []
  const names = Object.keys({ ...app.manifest.dependencies, ...app.manifest.optionalDependencies })
  const sources = await Promise.all(names.map(name => sourceOf(name, app.path)))
  return sources.filter(source => source !== undefined)
}

async function sourceOf(packageName: string, appManifest: string): Promise<PluginSource | undefined> {
  const path = await manifestOf(packageName, appManifest)
  const manifest = path === undefined ? undefined : await readManifest(path)
  const entry = manifest?.quire?.plugin
  if (path === undefined || manifest?.quire === undefined || typeof entry !== 'string') return undefined
  const { name = packageName, specVersion } = manifest.quire
  return {
    name: String(name),
    origin: packageName,
    load: async () => {
      if (specVersion !== SPEC_VERSION) {
        throw new PluginError(
          `${packageName} was written for contract version ${String(specVersion)}; this Quire has version ${SPEC_VERSION}. Install a release of ${packageName} that matches.`,
          { details: { origin: packageName, given: specVersion, supported: SPEC_VERSION } },
        )
      }
      const module: unknown = await import(pathToFileURL(join(dirname(path), entry)).href)
      return checkPlugin((module as { plugin?: unknown }).plugin, packageName)
    },
  }
}

/** package.json of a dependency, by the app's own resolution; its `exports` need not list it. */
async function manifestOf(packageName: string, appManifest: string): Promise<string | undefined> {
  for (const folder of createRequire(appManifest).resolve.paths(packageName) ?? []) {
    const path = join(folder, packageName, 'package.json')
    if ((await readManifest(path)) !== undefined) return path
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
