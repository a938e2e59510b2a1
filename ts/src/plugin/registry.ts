// The plugins that were made known to this process by name, and the check that every plugin passes.

import { PluginError } from '../errors.js'
import { type FrameworkPlugin, SPEC_VERSION } from './framework-plugin.js'

/** A plugin, or how to get it. */
export interface PluginSource {
  /** The plugin's name, where it is known before the plugin is loaded. */
  readonly name?: string
  /** Where it came from, for messages: a package name, 'registerPlugin'. */
  readonly origin: string
  readonly kind: 'registered' | 'installed' | 'embedded'
  /** @throws PluginError if it cannot be loaded, or is none. */
  load(): Promise<FrameworkPlugin>
}

/** One map for all copies of this package in a process: a bundle may hold one, and a plugin beside it import another. */
const key = Symbol.for('quire-llm.plugins')
const shared = globalThis as { [key]?: Map<string, FrameworkPlugin> }
shared[key] ??= new Map()
const registered = shared[key]

/** Makes a plugin known to this process. Registering the same name again replaces it. */
export function registerPlugin(plugin: FrameworkPlugin): void {
  const { name } = checkPlugin(plugin, 'registerPlugin')
  registered.delete(name)
  registered.set(name, plugin)
}

/** Forgets a plugin that `registerPlugin` made known. */
export function unregisterPlugin(name: string): boolean {
  return registered.delete(name)
}

/** What `registerPlugin` made known, in order. */
export function registeredPlugins(): readonly PluginSource[] {
  return [...registered].map(([name, plugin]) => ({
    name,
    origin: 'registerPlugin',
    kind: 'registered',
    load: async () => checkPlugin(plugin, 'registerPlugin'),
  }))
}

/** @throws PluginError naming both versions, or the member that is missing. */
export function checkPlugin(value: unknown, origin: string): FrameworkPlugin {
  if (typeof value !== 'object' || value === null) {
    throw new PluginError(`The plugin from ${origin} exports no plugin object.`, { details: { origin } })
  }
  const plugin = value as Partial<Record<keyof FrameworkPlugin, unknown>>
  checkSpecVersion(plugin.specVersion, origin)
  const members: readonly [keyof FrameworkPlugin, string][] = [
    ['name', 'string'],
    ['priority', 'number'],
    ['probe', 'function'],
    ['open', 'function'],
  ]
  for (const [member, type] of members) {
    if (typeof plugin[member] !== type || plugin[member] === '' || Number.isNaN(plugin[member])) {
      throw new PluginError(`The plugin from ${origin} lacks \`${member}\` (a ${type}).`, {
        details: { origin, member },
      })
    }
  }
  return value as FrameworkPlugin
}

/** @throws PluginError naming both versions. */
export function checkSpecVersion(given: unknown, origin: string): void {
  if (given === SPEC_VERSION) return
  throw new PluginError(
    `The plugin from ${origin} was written for contract version ${String(given)}; this Quire has version ${SPEC_VERSION}. Install a release of the plugin that matches.`,
    { details: { origin, given, supported: SPEC_VERSION } },
  )
}
