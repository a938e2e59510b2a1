// The default that comes with the package: a plugin like any other, found without discovery, of lowest priority.

import { checkPlugin, type PluginSource } from './registry.js'

const embeddedPackage = '@quire-llm/candle-cpu'

/** The embedded default. Loading it imports its package. */
export const embeddedPlugin: PluginSource = {
  name: 'candle',
  origin: embeddedPackage,
  load: async () => {
    const module = (await import(embeddedPackage)) as { plugin?: unknown }
    return checkPlugin(module.plugin, embeddedPackage)
  },
}
