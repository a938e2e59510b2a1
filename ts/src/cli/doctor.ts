// `quire doctor`: what would run here and why, and for everything that would not, the reason and what helps.

import { availableParallelism, freemem, totalmem } from 'node:os'
import { loadNative } from '../binding/index.js'
import { bundledModelDirectory } from '../config/index.js'
import { EngineError } from '../errors.js'
import { type Candidate, listCandidates } from '../plugin/candidates.js'
import { managedEnvironment } from '../plugin/python-environment.js'
import { chooseCandidate, passedOverMessage } from '../plugin/selection.js'
import { describeCandidate } from './describe-candidate.js'
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
are, and which environment variables have a say. Exits with 1 if nothing can run.

Options:
${helpOf(rows)}
`,
  run: doctor,
}

/** Variables that have a say beside those that begin with QUIRE_. */
const OTHER_VARIABLES = ['NAPI_RS_NATIVE_LIBRARY_PATH', 'VIRTUAL_ENV', 'XDG_DATA_HOME', 'HF_HOME', 'PYTHONPATH']

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
  readonly environment: Readonly<Record<string, string>>
}

type Selected =
  | { readonly name: string; readonly device: string; readonly why: string; readonly note?: string }
  | { readonly error: string; readonly code: string }

async function doctor(args: readonly string[], { stdout }: Streams): Promise<ExitCode> {
  const { own } = parseOptions(args, rows)
  const candidates = await listCandidates(currentReach())
  const selected = select(candidates, own.framework as string | undefined)
  const report: Report = {
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
    environment: variables(process.env),
  }
  if (own.json === true) stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else stdout.write(`${(await lines(report, candidates)).join('\n')}\n`)
  return 'error' in selected || report.nativeModule.error !== undefined ? 1 : 0
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
  const names = Object.keys(env).filter(name => name.startsWith('QUIRE_') || OTHER_VARIABLES.includes(name))
  return Object.fromEntries(names.sort().map(name => [name, env[name] ?? '']))
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
    'frameworks',
    ...frameworks.flat(),
    ...chosen,
    'environment variables',
    ...(set.length === 0 ? ['  none of those that have a say'] : set),
  ]
}

/** The managed environment of a plugin over Python: where, and whether it is complete. */
async function describeEnvironment({ plugin }: Candidate): Promise<string[]> {
  if (plugin?.pythonEnvironment === undefined) return []
  const state = await setupState(plugin)
  const cure = state === 'ready' ? '' : `: \`npx quire setup ${plugin.name}\``
  return [`    ${'environment'.padEnd(14)} ${managedEnvironment(plugin.name, process.env).folder} (${state}${cure})`]
}
