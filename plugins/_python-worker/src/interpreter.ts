// Finds the Python that has the framework, by asking each interpreter within reach. It imports no framework: that takes seconds.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { type Device, type DeviceKind, managedEnvironment, NoFrameworkError } from 'quire-llm/plugin'

/** Releases that a plugin was written for: from `atLeast`, before `below`. */
export interface VersionRange {
  readonly atLeast: string
  readonly below: string
}

/** What an interpreter must have, and where it is looked for. */
export interface InterpreterSearch {
  /** The framework's name, which is also the managed environment's. */
  readonly name: string
  /** Python package of the plugin; it has a `probe` with `devices()`. */
  readonly module: string
  /** What pip calls the framework. */
  readonly distribution: string
  /** Releases of the framework that will do. */
  readonly versions: VersionRange
  /** True if `npx quire setup` can make an environment with it. */
  readonly canSetUp: boolean
  /** Folders with the plugin's package and with `quire_worker`. */
  readonly pythonPath: readonly string[]
  /** The environment, of which QUIRE_PYTHON and the like are read. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** As `process.platform` says it. */
  readonly platform: NodeJS.Platform
}

/** An interpreter with the framework. */
export interface InterpreterFound {
  /** The program. */
  readonly path: string
  /** Its version of Python. */
  readonly pythonVersion: string
  /** Of the framework. */
  readonly version: string
  /** The preferred one first. */
  readonly devices: readonly Device[]
}

/** Either that, or why there is none and what to do. */
export type Interpreter = InterpreterFound | { readonly reason: string }

const PROBE_TIMEOUT_MS = 20_000

/** A worker forks, and ends with the group of its processes. */
export const WITHOUT_WORKERS =
  'Frameworks in Python run in processes of their own, which need Linux or macOS. On Windows, run Quire in WSL, or use candle.'

const probeScript = `
import importlib.metadata as metadata, importlib.util as util, json, sys
found = {"path": sys.executable, "python": "%d.%d.%d" % sys.version_info[:3], "devices": []}
found["missing"] = [name for name in ("numpy", "msgpack", sys.argv[1]) if util.find_spec(name) is None]
try:
    found["version"] = metadata.version(sys.argv[2])
except metadata.PackageNotFoundError:
    found["version"] = None
if found["version"] and not found["missing"]:
    devices = __import__(sys.argv[1] + ".probe", fromlist=["devices"]).devices()
    found["devices"] = [{"kind": device.kind, "index": device.index} for device in devices]
print("\\n" + json.dumps(found))
`

/** What an interpreter said of itself. */
interface Answer {
  readonly path: string
  readonly python: string
  readonly missing: readonly string[]
  readonly version: string | null
  readonly devices: readonly { readonly kind: string; readonly index: number }[]
}

/**
 * Looks at QUIRE_PYTHON alone if it is set; else at VIRTUAL_ENV, the environment that `npx quire setup` makes, and `python3`,
 * and takes the first that has a release in range.
 */
export async function findInterpreter(search: InterpreterSearch): Promise<Interpreter> {
  if (search.platform === 'win32') return { reason: WITHOUT_WORKERS }
  const reasons: string[] = []
  for (const place of placesOf(search)) {
    const outcome = await inspect(place, search)
    if (!('reason' in outcome)) return outcome
    reasons.push(`${place}: ${outcome.reason}`)
  }
  const { distribution, versions } = search
  const wanted = `${distribution} ${versions.atLeast} or later, before ${versions.below}`
  return { reason: `No Python with ${wanted} was found (${reasons.join('; ')}). ${cureOf(search)}` }
}

/** The command that mends it. */
function cureOf({ name, distribution, versions: { atLeast, below }, canSetUp, env }: InterpreterSearch): string {
  const install = `-m pip install "${distribution}>=${atLeast},<${below}" numpy msgpack`
  if (env.QUIRE_PYTHON) return `Run \`${env.QUIRE_PYTHON} ${install}\`, or unset QUIRE_PYTHON.`
  if (canSetUp) return `Run \`npx quire setup ${name}\`, or set QUIRE_PYTHON to a Python that has it.`
  return `Run \`python3 ${install}\`, or set QUIRE_PYTHON to a Python that has it.`
}

/** @throws NoFrameworkError with the reason. */
export function requireInterpreter(found: Interpreter): InterpreterFound {
  if ('reason' in found) throw new NoFrameworkError(found.reason)
  return found
}

/** `env` for a Python process that shall see the plugin's packages: nothing of the working directory, nothing half-written. */
export function processEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  pythonPath: readonly string[],
): Record<string, string> {
  const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    ...Object.fromEntries(given),
    PYTHONPATH: [...pythonPath, ...(env.PYTHONPATH ? [env.PYTHONPATH] : [])].join(delimiter),
    PYTHONSAFEPATH: '1',
    PYTHONUNBUFFERED: '1',
  }
}

function placesOf({ env, name }: InterpreterSearch): readonly string[] {
  if (env.QUIRE_PYTHON) return [env.QUIRE_PYTHON]
  const active = env.VIRTUAL_ENV ? [join(env.VIRTUAL_ENV, 'bin', 'python')] : []
  const inside = [...active, managedEnvironment(name, env).python].filter(path => existsSync(path))
  return [...inside, 'python3']
}

async function inspect(place: string, search: InterpreterSearch): Promise<Interpreter> {
  const { module, distribution, versions, env, pythonPath } = search
  let answer: Answer
  try {
    answer = await ask(place, [module, distribution], processEnvironment(env, pythonPath))
  } catch (error) {
    return { reason: explain(error) }
  }
  const { version, missing, devices, path, python } = answer
  if (version === null) return { reason: `${distribution} is not installed` }
  if (missing.length > 0) return { reason: `${missing.join(' and ')} cannot be found` }
  if (compareVersions(version, versions.atLeast) < 0 || compareVersions(version, versions.below) >= 0) {
    return { reason: `${distribution} is ${version}` }
  }
  if (devices.length === 0) return { reason: `${distribution} ${version} has no device here` }
  return {
    path,
    pythonVersion: python,
    version,
    devices: devices.map(({ kind, index }) => ({ kind: kind as DeviceKind, index })),
  }
}

async function ask(place: string, names: readonly string[], env: Record<string, string>): Promise<Answer> {
  const { stdout } = await promisify(execFile)(place, ['-c', probeScript, ...names], {
    env,
    timeout: PROBE_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 20,
  })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Answer
}

function explain(error: unknown): string {
  const { code, killed, stderr, message } = error as Error & { code?: unknown; killed?: boolean; stderr?: string }
  if (code === 'ENOENT') return 'not found'
  if (code === 'EACCES') return 'cannot be executed'
  if (killed === true) return `gave no answer within ${PROBE_TIMEOUT_MS / 1000} s`
  return stderr?.trim().split('\n').at(-1) || message
}

/** By the numbers of the release: `2.4.0+cpu` and `2.4.0rc1` count as 2.4.0. */
function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map(text => (/^\d+(\.\d+)*/.exec(text)?.[0] ?? '').split('.').map(Number))
  for (let index = 0; index < Math.max(a?.length ?? 0, b?.length ?? 0); index += 1) {
    const difference = (a?.[index] ?? 0) - (b?.[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
