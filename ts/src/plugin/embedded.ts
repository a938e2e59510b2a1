// The default that comes with the package: a plugin like any other, found without discovery, chosen after all others.

import { PluginError } from '../errors.js'
import { importInTurn } from './import-in-turn.js'
import { checkPlugin, type PluginSource } from './registry.js'

const embeddedPackage = '@quire-llm/candle-cpu'

/** The embedded default. Loading it imports its package. */
export const embeddedPlugin: PluginSource & { readonly name: string } = {
  name: 'candle',
  origin: embeddedPackage,
  kind: 'embedded',
  load: async () => {
    const module = await importInTurn(() => import(embeddedPackage)).catch((cause: Error) => {
      throw new PluginError(
        `${embeddedPackage} cannot be imported (${cause.message}). In a bundle, \`import '${embeddedPackage}/register'\`.`,
        { cause, details: { origin: embeddedPackage } },
      )
    })
    return checkPlugin((module as { plugin?: unknown }).plugin, embeddedPackage)
  },
}
