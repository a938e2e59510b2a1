// `quire doctor`: what would run here and why, and for everything that would not, the reason and the command that mends it.

import { availableParallelism, freemem, totalmem } from 'node:os'
import { loadNative } from '../binding/node.js'
import { bundledModelDirectory } from '../config/node.js'
import { EngineError, InvalidArgumentError } from '../errors.js'
import {
  type CachedModel,
  type CacheState,
  type HubSettings,
  type HubState,
  listCache,
  probeCache,
  probeHub,
  readHubSettings,
} from '../hub/index.js'
import { type Candidate, listCandidates } from '../plugin/candidates.js'
import { managedEnvironment } from '../plugin/python-environment.js'
import { chooseCandidate, passedOverMessage } from '../plugin/selection.js'
import { bytesText } from '../progress-bar.js'
import { describeCandidate } from './describe-candidate.js'
import { diagnose, type Problem } from './diagnosis.js'
import type { ExitCode } from './main.js'
import { helpOf, type OptionRow, parseOptions } from './options.js'
import { setupState } from './setup.js'
import type { Streams } from './streams.js'
import { currentMachine, currentReach, runtimeName } from './surroundings.js'
import { version } from './version.js'

const rows: readonly OptionRow[] = [
  { name: 'framework', kind: 'text', value: 'NAME', help: 'ask what would happen if this one were asked for' },
  { name: 'json', kind: 'flag', help: 'print one JSON object' },
]

export const doctorCommand = {
  summary: 'what would run here, and why the rest would not',
  help: `Usage: quire doctor [options]

Probes every framework within reach and says which one would be selected and why, which devices and Python environments there
are, whether the hub answers and its cache can be written, and which environment variables have a say. Ends with what is wrong
and the commands that mend it. Exits with 1 if nothing can run.

Options:
${helpOf(rows)}
`,
  run: doctor,
}

/** Variables that have a say beside those that begin with QUIRE_ and HF_. */
const OTHER_VARIABLES = [
  'VIRTUAL_ENV',
  'XDG_DATA_HOME',
  'XDG_CACHE_HOME',
  'HUGGINGFACE_HUB_CACHE',
  'TRANSFORMERS_OFFLINE',
  'HTTPS_PROXY',
  'HTTP_PROXY',
  'NO_PROXY',
  'PYTHONPATH',
]

/** Variables whose values nobody prints. */
const SECRET = /TOKEN(?!_PATH)|KEY|SECRET|PASSWORD/

interface Report {
  readonly quire: string
  readonly runtime: string
  readonly platform: string
  readonly cores: number
  readonly memory: { readonly freeBytes: number; readonly totalBytes: number }
  readonly accelerators: readonly string[]
  readonly appDirectory: string
  readonly bundledModel: string
  readonly nativeModule: { readonly version?: string; readonly error?: string }
  readonly frameworks: readonly object[]
  readonly selected: Selected
  readonly hub: HubState
  readonly cache: CacheState & { readonly numModels: number; readonly sizeBytes: number }
  readonly problems: readonly Problem[]
  readonly environment: Readonly<Record<string, string>>
}

type Selected =
  | { readonly name: string; readonly device: string; readonly why: string; readonly note?: string }
  | { readonly error: string; readonly code: string }

async function doctor(args: readonly string[], { stdout }: Streams): Promise<ExitCode> {
  const { own } = parseOptions(args, rows)
  const { settings, mistake } = await hubSettings(process.env)
  const [candidates, hub, cacheState, models] = await Promise.all([
    listCandidates(currentReach()),
    probeHub(settings),
    probeCache(settings.cacheDir),
    listCache(settings.cacheDir),
  ])
  const selected = select(candidates, own.framework as string | undefined)
  const facts = {
    quire: version(),
    runtime: runtimeName(),
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    memory: { freeBytes: freemem(), totalBytes: totalmem() },
    accelerators: currentMachine().accelerators,
    appDirectory: process.cwd(),
    bundledModel: bundledModelDirectory(),
    nativeModule: await nativeModule(),
    frameworks: await Promise.all(candidates.map(plain)),
    selected,
    hub,
    cache: {
      ...cacheState,
      numModels: models.length,
      sizeBytes: models.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    },
    environment: variables(process.env),
  }
  const problems = await problemsOf(facts, candidates, models)
  const report: Report = { ...facts, problems: [...problems, ...mistake] }
  if (own.json === true) stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else stdout.write(`${(await lines(report, candidates)).join('\n')}\n`)
  return 'error' in selected || report.nativeModule.error !== undefined ? 1 : 0
}

/** What the environment says of the hub; a variable that cannot be is a problem, and left out. */
async function hubSettings(env: NodeJS.ProcessEnv): Promise<{ settings: HubSettings; mistake: readonly Problem[] }> {
  try {
    return { settings: await readHubSettings({}, env), mistake: [] }
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    const { name, value, cure } = sourceOf(error.parameter, env)
    const { settings, mistake } = await hubSettings({ ...env, [name]: value })
    return { settings, mistake: [{ what: error.message, cure, isFatal: false }, ...mistake] }
  }
}

/** The variable to blame for a setting, what it would be set to so that it has no say, and the command that mends it. */
function sourceOf(parameter: string, env: NodeJS.ProcessEnv): { name: string; value: string; cure: string } {
  if (parameter !== 'token') return { name: parameter, value: '', cure: `unset ${parameter}` }
  const name = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'].find(each => env[each])
  if (name !== undefined) return { name, value: '', cure: `unset ${name}` }
  return { name: 'HF_HUB_DISABLE_IMPLICIT_TOKEN', value: '1', cure: 'hf auth login  # writes the token anew' }
}

function select(candidates: readonly Candidate[], framework: string | undefined): Selected {
  try {
    const options = { ...currentReach(), ...(framework !== undefined && { framework }) }
    const selection = chooseCandidate(candidates, options)
    const { plugin, device, why } = selection
    const note = passedOverMessage(selection)
    return { name: plugin.name, device: `${device.kind}:${device.index}`, why, ...(note !== undefined && { note }) }
  } catch (error) {
    if (error instanceof EngineError) return { error: error.message, code: error.code }
    throw error
  }
}

async function nativeModule(): Promise<Report['nativeModule']> {
  try {
    return { version: (await loadNative()).version() }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

async function plain({ name, origin, kind, priority, probe, plugin, broken }: Candidate): Promise<object> {
  const environment = plugin?.pythonEnvironment && {
    folder: managedEnvironment(plugin.name, process.env).folder,
    state: await setupState(plugin),
  }
  return {
    name,
    origin,
    kind,
    priority: Number.isFinite(priority) ? priority : null,
    ...probe,
    ...(broken !== undefined && { code: broken.code }),
    ...(environment && { environment }),
  }
}

function variables(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = Object.keys(env).filter(name => /^(QUIRE|HF)_/.test(name) || OTHER_VARIABLES.includes(name))
  return Object.fromEntries(
    names.sort().map(name => [name, SECRET.test(name) ? '(set)' : withoutCredentials(env[name] ?? '')]),
  )
}

/** A proxy's address may have a password in it. */
function withoutCredentials(value: string): string {
  return value.replace(/\/\/[^/@]+@/, '//...@')
}

async function lines(report: Report, candidates: readonly Candidate[]): Promise<string[]> {
  const { nativeModule: native, selected, memory } = report
  const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1)
  const row = (title: string, text: string): string => `${title.padEnd(14)} ${text}`
  const frameworks = await Promise.all(
    candidates.map(async candidate => [...describeCandidate(candidate), ...(await describeEnvironment(candidate))]),
  )
  const chosen =
    'error' in selected
      ? [row('selected', `none: ${selected.error} [${selected.code}]`)]
      : [
          row('selected', `${selected.name} on ${selected.device}: ${selected.why}`),
          ...(selected.note?.split('\n') ?? []),
        ]
  const set = Object.entries(report.environment).map(([name, value]) => `  ${name}=${value}`)
  return [
    row('quire', report.quire),
    row('runtime', `${report.runtime} on ${report.platform}, ${report.cores} cores`),
    row('memory', `${gib(memory.freeBytes)} of ${gib(memory.totalBytes)} GiB free`),
    row('accelerators', report.accelerators.join(', ') || 'none found'),
    row('app', report.appDirectory),
    row('bundled model', report.bundledModel),
    row('native module', native.error ?? `${native.version}, loaded`),
    row('hub', hubText(report.hub)),
    row('cache', cacheText(report.cache)),
    'frameworks',
    ...frameworks.flat(),
    ...chosen,
    'environment variables',
    ...(set.length === 0 ? ['  none of those that have a say'] : set),
    ...(report.problems.length === 0 ? ['nothing is wrong'] : ['what is wrong, and what mends it']),
    ...report.problems.flatMap(({ what, cure }) => [`  ${what}`, `    ${cure}`]),
  ]
}

function hubText({ endpoint, state, reason, token }: HubState): string {
  const tokenText = {
    none: 'no token',
    accepted: 'token accepted',
    refused: 'token refused',
    unchecked: 'token not checked',
  }
  return `${endpoint}, ${state}${reason === undefined ? '' : ` (${reason})`}, ${tokenText[token]}`
}

function cacheText({ directory, unwritable, freeBytes, numModels, sizeBytes }: Report['cache']): string {
  const state = unwritable === undefined ? 'writable' : `not writable (${unwritable})`
  const free = freeBytes === undefined ? '' : `, ${bytesText(freeBytes)} free`
  return `${directory}, ${state}${free}, ${numModels} models of ${bytesText(sizeBytes)}`
}

async function problemsOf(
  facts: Omit<Report, 'problems'>,
  candidates: readonly Candidate[],
  models: readonly CachedModel[],
): Promise<Problem[]> {
  const environments = await Promise.all(
    candidates.map(async ({ plugin, probe }) => {
      if (plugin?.pythonEnvironment === undefined || probe.available) return undefined
      const state = await setupState(plugin)
      return state === 'ready' ? undefined : { name: plugin.name, state }
    }),
  )
  return diagnose({
    nodeVersion:
      process.versions.bun === undefined && process.versions.deno === undefined ? process.versions.node : undefined,
    nativeError: facts.nativeModule.error,
    selectionError: 'error' in facts.selected ? facts.selected.error : undefined,
    missingEnvironments: environments.filter(each => each !== undefined),
    freeMemoryBytes: facts.memory.freeBytes,
    hub: facts.hub,
    cache: facts.cache,
    models,
  })
}

/** The managed environment of a plugin over Python: where, and whether it is complete. */
async function describeEnvironment({ plugin }: Candidate): Promise<string[]> {
  if (plugin?.pythonEnvironment === undefined) return []
  const state = await setupState(plugin)
  const cure = state === 'ready' ? '' : `: \`npx quire setup ${plugin.name}\``
  return [`    ${'environment'.padEnd(14)} ${managedEnvironment(plugin.name, process.env).folder} (${state}${cure})`]
}
