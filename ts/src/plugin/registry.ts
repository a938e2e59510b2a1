// The plugins that this process knows: registered ones, lazily, by name. It imports none of them until asked.

import { PluginError } from '../errors.js'
import { type FrameworkPlugin, SPEC_VERSION } from './framework-plugin.js'

/** A plugin, or how to get it. */
export interface PluginSource {
  readonly name: string
  /** Where it came from, for messages: a package name, 'embedded', 'registerPlugin'. */
  readonly origin: string
  load(): Promise<FrameworkPlugin>
}

const registered = new Map<string, PluginSource>()

/** Makes a plugin known to this process. Registering the same name again replaces it. */
export function registerPlugin(plugin: FrameworkPlugin): void {
  checkPlugin(plugin, 'registerPlugin')
  registered.set(plugin.name, { name: plugin.name, origin: 'registerPlugin', load: async () => plugin })
}

/** Forgets a plugin that `registerPlugin` made known. */
export function unregisterPlugin(name: string): boolean {
  return registered.delete(name)
}

/** What `registerPlugin` made known, in order. */
export function registeredPlugins(): readonly PluginSource[] {
  return [...registered.values()]
}

/** @throws PluginError naming both versions, or the member that is missing. */
export function checkPlugin(value: unknown, origin: string): FrameworkPlugin {
  if (typeof value !== 'object' || value === null) {
    throw new PluginError(`The plugin from ${origin} exports no plugin object.`)
  }
  const plugin = value as Partial<Record<keyof FrameworkPlugin, unknown>>
  if (plugin.specVersion !== SPEC_VERSION) {
    throw new PluginError(
      `The plugin from ${origin} was written for contract version ${String(plugin.specVersion)}; this Quire has version ${SPEC_VERSION}. Install a release of the plugin that matches.`,
      { details: { origin, given: plugin.specVersion, supported: SPEC_VERSION } },
    )
  }
  const members: readonly [keyof FrameworkPlugin, string][] = [
    ['name', 'string'],
    ['priority', 'number'],
    ['probe', 'function'],
    ['open', 'function'],
  ]
  for (const [member, type] of members) {
    if (typeof plugin[member] !== type) {
      throw new PluginError(`The plugin from ${origin} lacks \`${member}\` (a ${type}).`, {
        details: { origin, member },
      })
    }
  }
  return value as FrameworkPlugin
}
