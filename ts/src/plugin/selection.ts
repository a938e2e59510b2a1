// Chooses the plugin that will run a model: an explicit name, else QUIRE_FRAMEWORK, else the available one of highest
// priority that supports the model's architecture on a device that is there.

import { ModelError, NoFrameworkError, PluginError } from '../errors.js'
import type { Device } from './device.js'
import { discoverPlugins } from './discovery.js'
import { embeddedPlugin } from './embedded.js'
import type { FrameworkPlugin, Probe } from './framework-plugin.js'
import { type PluginSource, registeredPlugins } from './registry.js'

export interface SelectionOptions {
  /** An explicit plugin name; outranks `env.QUIRE_FRAMEWORK`. */
  readonly framework?: string
  /** `architectures[0]` of the model's config.json, where it is known. */
  readonly architecture?: string
  /** The device asked for. */
  readonly device?: Device
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where the app is: its package.json is looked for from here upwards. */
  readonly appDirectory: string
}

/** One plugin that was looked at, and what became of it. */
export interface Candidate {
  readonly name: string
  readonly origin: string
  readonly priority: number
  readonly probe: Probe
  readonly plugin?: FrameworkPlugin
}

/** Every plugin within reach: registered, discovered (unless `QUIRE_PLUGINS=none`, or not named there), embedded. */
export async function listCandidates(options: Pick<SelectionOptions, 'env' | 'appDirectory'>): Promise<Candidate[]> {
  const sources = await reachableSources(options)
  return Promise.all(sources.map(inspect))
}

/**
 * @throws ModelError (`ERR_MODEL_UNSUPPORTED`) if frameworks are there but none knows the architecture;
 * NoFrameworkError with each candidate's reason; PluginError if two are equals.
 */
export async function selectPlugin(options: SelectionOptions): Promise<{ plugin: FrameworkPlugin; device: Device }> {
  const asked = options.framework ?? (options.env.QUIRE_FRAMEWORK || undefined)
  const all = await reachableSources(options)
  const sources = asked === undefined ? all : all.filter(source => source.name === asked)
  if (asked !== undefined && sources.length === 0) {
    throw new NoFrameworkError(
      `No framework named '${asked}' is installed. Known here: ${all.map(source => source.name).join(', ')}.`,
      { details: { asked, known: all.map(source => source.name) } },
    )
  }
  const candidates = await Promise.all(sources.map(inspect))
  const reasons = new Map<Candidate, string>()
  for (const candidate of candidates) {
    const reason = unsuitability(candidate, options)
    if (reason !== undefined) reasons.set(candidate, reason)
  }
  const suitable = candidates.filter(candidate => !reasons.has(candidate)).sort((a, b) => b.priority - a.priority)
  const [best, second] = suitable
  if (best?.plugin === undefined) {
    const supported = supportedArchitectures(candidates, options)
    if (options.architecture !== undefined && supported.length > 0) {
      throw new ModelError(
        'ERR_MODEL_UNSUPPORTED',
        `The architecture ${options.architecture} is not supported. Supported: ${supported.join(', ')}.`,
        { details: { architecture: options.architecture, supported } },
      )
    }
    const lines = candidates.map(candidate => `  - ${candidate.name} (${candidate.origin}): ${reasons.get(candidate)}`)
    throw new NoFrameworkError(`No framework available for Quire in this environment.\n${lines.join('\n')}`, {
      details: { candidates: candidates.map(c => ({ name: c.name, origin: c.origin, reason: reasons.get(c) })) },
    })
  }
  if (second !== undefined && second.priority === best.priority) {
    const equals = suitable.filter(candidate => candidate.priority === best.priority)
    throw new PluginError(
      `Several frameworks have the same priority ${best.priority}: ${equals.map(c => `${c.name} (${c.origin})`).join(', ')}. Choose one by the option \`framework\` or by QUIRE_FRAMEWORK.`,
      { details: { equals: equals.map(c => c.name) } },
    )
  }
  return { plugin: best.plugin, device: deviceFor(best, options.device) as Device }
}

async function reachableSources({
  env,
  appDirectory,
}: Pick<SelectionOptions, 'env' | 'appDirectory'>): Promise<PluginSource[]> {
  const wanted = env.QUIRE_PLUGINS?.split(',')
    .map(name => name.trim())
    .filter(Boolean)
  const found = wanted?.includes('none') ? [] : await discoverPlugins(appDirectory)
  const allowed = wanted === undefined ? found : found.filter(s => wanted.includes(s.name) || wanted.includes(s.origin))
  const sources = [...registeredPlugins()]
  for (const source of [...allowed, embeddedPlugin]) {
    if (!sources.some(known => known.name === source.name)) sources.push(source)
  }
  return sources
}

async function inspect(source: PluginSource): Promise<Candidate> {
  const { name, origin } = source
  try {
    const plugin = await source.load()
    return { name: plugin.name, origin, priority: plugin.priority, probe: await plugin.probe(), plugin }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { name, origin, priority: Number.NEGATIVE_INFINITY, probe: { available: false, devices: [], reason } }
  }
}

/** What could run here, if only the architecture were another. */
function supportedArchitectures(candidates: readonly Candidate[], { device }: SelectionOptions): string[] {
  const usable = candidates.filter(candidate => candidate.probe.available && deviceFor(candidate, device) !== undefined)
  return [...new Set(usable.flatMap(candidate => candidate.probe.capabilities?.architectures ?? []))]
}

function unsuitability(candidate: Candidate, { architecture, device }: SelectionOptions): string | undefined {
  const { probe, plugin } = candidate
  if (!probe.available || plugin === undefined) return probe.reason ?? 'not available'
  if (deviceFor(candidate, device) === undefined) {
    const found = probe.devices.map(d => `${d.kind}:${d.index}`).join(', ') || 'none'
    return device === undefined ? 'no device found' : `no device ${device.kind}:${device.index} (found: ${found})`
  }
  const architectures = probe.capabilities?.architectures ?? []
  if (architecture !== undefined && !architectures.includes(architecture)) {
    return `architecture ${architecture} is not supported (supported: ${architectures.join(', ')})`
  }
  return undefined
}

function deviceFor({ probe }: Candidate, asked: Device | undefined): Device | undefined {
  if (asked === undefined) return probe.devices[0]
  return probe.devices.find(device => device.kind === asked.kind && device.index === asked.index)
}
