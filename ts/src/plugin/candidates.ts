// The plugins within reach of an app, each loaded and probed: what selection chooses from and what people are shown.

import { EngineError, PluginError } from '../errors.js'
import { type AppLocation, discoverPlugins } from './discovery.js'
import { embeddedPlugin } from './embedded.js'
import type { FrameworkPlugin, Probe } from './framework-plugin.js'
import { type PluginSource, registeredPlugins } from './registry.js'

export interface Reach extends AppLocation {
  /** QUIRE_PLUGINS: names of plugins or packages, apart by commas, that alone may be discovered; `none` = no discovery. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** One plugin that was looked at, and what became of it. */
export interface Candidate {
  readonly name: string
  readonly origin: string
  readonly kind: PluginSource['kind']
  readonly priority: number
  readonly probe: Probe
  /** Absent where it cannot be loaded. */
  readonly plugin?: FrameworkPlugin
  /** Why it cannot be loaded. */
  readonly broken?: EngineError
}

/** Every plugin within reach: registered, installed, embedded. A registered one hides others of its name. */
export async function listCandidates(reach: Reach): Promise<Candidate[]> {
  return inspectSources(await reachableSources(reach))
}

/** Where plugins can be had from. None is imported. */
export async function reachableSources(reach: Reach): Promise<PluginSource[]> {
  const registered = registeredPlugins()
  const others = [...(await installedPlugins(reach)), embeddedPlugin]
  return [...registered, ...others.filter(({ name }) => !registered.some(known => known.name === name))]
}

/** Loads and probes. What one of them throws becomes its reason. */
export async function inspectSources(sources: readonly PluginSource[]): Promise<Candidate[]> {
  const candidates = await Promise.all(sources.map(inspect))
  const registered = candidates.filter(({ kind }) => kind === 'registered').map(({ name }) => name)
  return candidates.filter(({ kind, name }) => kind === 'registered' || !registered.includes(name))
}

async function installedPlugins(reach: Reach): Promise<PluginSource[]> {
  const wanted = reach.env.QUIRE_PLUGINS?.split(',')
    .map(name => name.trim())
    .filter(Boolean)
  if (wanted?.includes('none')) return []
  const found = (await discoverPlugins(reach)).filter(({ origin }) => origin !== embeddedPlugin.origin)
  if (wanted === undefined || wanted.length === 0) return found
  return found.filter(({ name, origin }) => (name !== undefined && wanted.includes(name)) || wanted.includes(origin))
}

async function inspect(source: PluginSource): Promise<Candidate> {
  const { origin, kind } = source
  let plugin: FrameworkPlugin
  try {
    plugin = await source.load()
  } catch (error) {
    const broken = error instanceof EngineError ? error : new PluginError(String(error), { cause: error })
    const probe = unavailable(broken)
    return { name: source.name ?? origin, origin, kind, priority: Number.NEGATIVE_INFINITY, probe, broken }
  }
  const { name, priority } = plugin
  return { name, origin, kind, priority, plugin, probe: await plugin.probe().catch(unavailable) }
}

function unavailable(error: unknown): Probe {
  return { available: false, devices: [], reason: error instanceof Error ? error.message : String(error) }
}
