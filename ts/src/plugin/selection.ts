// Chooses the plugin that will run a model: an explicit name, else QUIRE_FRAMEWORK, else the available one of highest
// priority that supports the model's architecture on a device that is there; the embedded default after all others.

import { ModelError, NoFrameworkError, PluginError } from '../errors.js'
import { type Candidate, inspectSources, type Reach, reachableSources } from './candidates.js'
import type { Device } from './device.js'
import type { FrameworkPlugin } from './framework-plugin.js'

export interface SelectionOptions extends Reach {
  /** An explicit plugin or package name; outranks `env.QUIRE_FRAMEWORK`. */
  readonly framework?: string
  /** `architectures[0]` of the model's config.json, where it is known. */
  readonly architecture?: string
  /** `model_type` of a config.json that names no architecture. */
  readonly modelType?: string
  /** The format of its weights where it is not safetensors: a name of `RunnerCapabilities.weightFormats`. */
  readonly weights?: string
  /** The device asked for. */
  readonly device?: Device
}

export interface Selection {
  readonly plugin: FrameworkPlugin
  /** How it came within reach. */
  readonly kind: Candidate['kind']
  readonly device: Device
  /** What decided, as a person reads it. */
  readonly why: string
  /** Installed plugins that would have come first, each with the reason why it could not. */
  readonly passedOver: readonly PassedOver[]
}

export interface PassedOver {
  readonly name: string
  readonly origin: string
  readonly reason: string
}

/** A candidate that can run what was asked. */
interface Suitable extends Candidate {
  readonly plugin: FrameworkPlugin
  readonly device: Device
}

/**
 * Looks at what is within reach and chooses. Where one is asked for by name, no other is imported.
 * @throws ModelError (`ERR_MODEL_UNSUPPORTED`) if frameworks are there but none knows the architecture;
 * NoFrameworkError with each candidate's reason; PluginError if two are equals, or if one cannot be loaded: taking another in
 * silence would change the device that a program runs on.
 */
export async function selectPlugin(options: SelectionOptions): Promise<Selection> {
  const sources = await reachableSources(options)
  const { name } = asked(options)
  const wanted = sources.filter(
    source => name === undefined || (source.name ?? name) === name || source.origin === name,
  )
  const candidates = await inspectSources(wanted)
  const known = sources.map(source => source.name ?? source.origin)
  return chooseCandidate(candidates, options, known)
}

/** The choice among candidates. `known` are the names to show where the one asked for is none of them. @throws as `selectPlugin`. */
export function chooseCandidate(
  all: readonly Candidate[],
  options: SelectionOptions,
  known: readonly string[] = all.map(({ name }) => name),
): Selection {
  const { name, by } = asked(options)
  const candidates = name === undefined ? all : all.filter(each => each.name === name || each.origin === name)
  if (candidates.length === 0 && name !== undefined) {
    throw new NoFrameworkError(`No framework named '${name}' is installed. Known here: ${known.join(', ')}.`, {
      details: { asked: name, known },
    })
  }
  for (const { broken, kind } of candidates) if (broken !== undefined && kind !== 'embedded') throw broken
  const judged = candidates.map(candidate => ({ candidate, outcome: judge(candidate, options) }))
  const suitable = judged.map(({ outcome }) => outcome).filter(outcome => typeof outcome !== 'string')
  const unfit = judged.flatMap(({ candidate, outcome }) =>
    typeof outcome === 'string' ? [{ candidate, reason: outcome }] : [],
  )
  const [best, second] = suitable.sort(byRank)
  if (best === undefined) throw nothingFits(unfit, options)
  if (second !== undefined && byRank(best, second) === 0)
    throw equals(suitable.filter(each => byRank(each, best) === 0))
  const passedOver = unfit
    .filter(({ candidate }) => byRank(candidate, best) <= 0)
    .map(({ candidate, reason }) => ({ name: candidate.name, origin: candidate.origin, reason }))
  return {
    plugin: best.plugin,
    kind: best.kind,
    device: best.device,
    why: by ?? whyFirst(best, judged.length, suitable),
    passedOver,
  }
}

/** What a program should be told about installed plugins that it does not run on. */
export function passedOverMessage({ plugin, passedOver }: Selection): string | undefined {
  if (passedOver.length === 0) return undefined
  const reasons = passedOver.map(
    ({ name, origin, reason }) => `${name} (${origin}) is installed but cannot run here: ${reason}`,
  )
  return `${reasons.join('\n')}\nRunning on ${plugin.name}.`
}

function asked({ framework, env }: SelectionOptions): { readonly name?: string; readonly by?: string } {
  if (framework !== undefined) return { name: framework, by: 'asked for by the option `framework`' }
  if (env.QUIRE_FRAMEWORK) return { name: env.QUIRE_FRAMEWORK, by: 'asked for by QUIRE_FRAMEWORK' }
  return {}
}

/** Below 0 if `a` comes before `b`. */
function byRank(a: Candidate, b: Candidate): number {
  const embedded = Number(a.kind === 'embedded') - Number(b.kind === 'embedded')
  return embedded !== 0 || a.priority === b.priority ? embedded : b.priority - a.priority
}

function whyFirst({ kind, priority }: Candidate, numCandidates: number, suitable: readonly Candidate[]): string {
  if (numCandidates === 1) return kind === 'embedded' ? 'the embedded default, with no other in reach' : 'the only one'
  if (kind === 'embedded') return 'the embedded default, since no other can run here'
  const numRivals = suitable.filter(each => each.kind !== 'embedded').length
  return numRivals === 1 ? 'the only installed one that can run here' : `before the others, by its priority ${priority}`
}

/** The candidate with its device, or why it cannot run what was asked. */
function judge(candidate: Candidate, options: SelectionOptions): Suitable | string {
  const { architecture, modelType, weights, device: wanted } = options
  const { probe, plugin, kind } = candidate
  if (!probe.available || plugin === undefined) return probe.reason ?? 'not available'
  const device = deviceFor(candidate, wanted)
  if (device === undefined) {
    const found = probe.devices.map(each => `${each.kind}:${each.index}`).join(', ') || 'none'
    return wanted === undefined ? 'no device found' : `no device ${wanted.kind}:${wanted.index} (found: ${found})`
  }
  const architectures = probe.capabilities?.architectures ?? []
  if (architecture !== undefined && !architectures.includes(architecture)) {
    return `architecture ${architecture} is not supported (supported: ${architectures.join(', ')})`
  }
  // A plugin lists architectures; the embedded one knows model types beside.
  if (architecture === undefined && modelType !== undefined && kind !== 'embedded') {
    return `config.json names no architecture, only the model type ${modelType}`
  }
  if (weights !== undefined && !readsWeights(candidate, weights)) {
    const others = probe.capabilities?.weightFormats ?? []
    return `it does not read ${weights} files (it reads ${['safetensors', ...others].join(', ')})`
  }
  return { ...candidate, plugin, device }
}

function nothingFits(
  unfit: readonly { candidate: Candidate; reason: string }[],
  { architecture, weights, device }: SelectionOptions,
): Error {
  const usable = unfit.filter(
    ({ candidate }) => candidate.probe.available && deviceFor(candidate, device) !== undefined,
  )
  if (weights !== undefined && usable.length > 0 && !usable.some(({ candidate }) => readsWeights(candidate, weights))) {
    const names = usable.map(({ candidate }) => candidate.name).join(', ')
    return new ModelError(
      'ERR_MODEL_UNSUPPORTED',
      `The model is a ${weights} file, which ${names} does not read. Run it on the embedded framework, candle, or give a folder with safetensors.`,
      { details: { weights, frameworks: usable.map(({ candidate }) => candidate.name) } },
    )
  }
  const supported = [...new Set(usable.flatMap(({ candidate }) => candidate.probe.capabilities?.architectures ?? []))]
  if (architecture !== undefined && supported.length > 0) {
    return new ModelError(
      'ERR_MODEL_UNSUPPORTED',
      `The architecture ${architecture} is not supported. Supported: ${supported.join(', ')}.`,
      { details: { architecture, supported } },
    )
  }
  const lines = unfit.map(({ candidate, reason }) => `  - ${candidate.name} (${candidate.origin}): ${reason}`)
  return new NoFrameworkError(`No framework available for Quire in this environment.\n${lines.join('\n')}`, {
    details: { candidates: unfit.map(({ candidate: { name, origin }, reason }) => ({ name, origin, reason })) },
  })
}

function equals(candidates: readonly Candidate[]): PluginError {
  const [first] = candidates
  const names = candidates.map(({ name, origin }) => `${name} (${origin})`)
  return new PluginError(
    `Several frameworks have the same priority ${first?.priority}: ${names.join(', ')}. Choose one by the option \`framework\` or by QUIRE_FRAMEWORK.`,
    { details: { equals: candidates.map(({ name, origin }) => ({ name, origin })) } },
  )
}

function readsWeights({ probe }: Candidate, weights: string): boolean {
  return probe.capabilities?.weightFormats?.includes(weights) ?? false
}

function deviceFor({ probe }: Candidate, wanted: Device | undefined): Device | undefined {
  if (wanted === undefined) return probe.devices[0]
  return probe.devices.find(({ kind, index }) => kind === wanted.kind && index === wanted.index)
}
