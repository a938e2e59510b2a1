// A framework plugin whose framework is a Python package: probed by a short process, run in a long one.

import { fileURLToPath } from 'node:url'
import {
  type Device,
  type FrameworkPlugin,
  InvalidArgumentError,
  NoFrameworkError,
  type OpenedFramework,
  type OpenOptions,
  type Probe,
  type PythonEnvironment,
  type RankGroup,
  type RunnerCapabilities,
  SPEC_VERSION,
  WorkerError,
} from 'quire-llm/plugin'
import type { Reply } from './connection.js'
import {
  findInterpreter,
  type Interpreter,
  processEnvironment,
  requireInterpreter,
  type VersionRange,
  WITHOUT_WORKERS,
} from './interpreter.js'
import { type FrameworkFacts, WorkerFramework } from './worker-framework.js'
import { type Timeouts, WorkerProcess } from './worker-process.js'
import { WorkerRunner } from './worker-runner.js'

/** What the variables of a worker may depend on. */
export interface EnvironmentContext {
  /** The device that is opened. */
  readonly device: Device
  /** The user's environment. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Present where several ranks run one model. */
  readonly group?: RankGroup
}

/** Who a plugin over Python is, and what its Python needs. */
export interface PythonPluginDefinition {
  /** Of the plugin, and of the environment that `npx quire setup` makes. */
  readonly name: string
  /** Among installed plugins the highest wins. */
  readonly priority: number
  /** The folder in which the plugin's Python package lies. */
  readonly pythonPath: URL
  /** That package, with `probe.devices()` and `worker.open_framework`, `worker.create_runner`. */
  readonly module: string
  /** What pip calls the framework. */
  readonly distribution: string
  /** Releases of the framework that the plugin was written for. */
  readonly versions: VersionRange
  /** What its runners can do. */
  readonly capabilities: RunnerCapabilities
  /** What `npx quire setup` makes; absent = people bring a Python of their own. */
  readonly pythonEnvironment?: PythonEnvironment
  /** Variables that must be there before the framework is imported; they outrank the user's. */
  readonly environment?: (context: EnvironmentContext) => Readonly<Record<string, string>>
}

const workerPath = fileURLToPath(new URL('../python/', import.meta.url))

/** What decides which Python is found. */
const SEARCHED = ['QUIRE_PYTHON', 'QUIRE_HOME', 'VIRTUAL_ENV', 'XDG_DATA_HOME', 'HOME', 'PATH', 'PYTHONPATH'] as const

/** The plugin of a framework that runs in Python processes, one for each rank. */
export function definePythonPlugin(definition: PythonPluginDefinition): FrameworkPlugin {
  const { name, priority, module, distribution, versions, capabilities, pythonEnvironment } = definition
  const pythonPath = [fileURLToPath(definition.pythonPath), workerPath]
  const searches = new Map<string, Promise<Interpreter>>()

  /** Selecting a plugin asks what opening it asks again. */
  function search(env: OpenOptions['env']): Promise<Interpreter> {
    const key = JSON.stringify(SEARCHED.map(variable => env[variable]))
    const known = searches.get(key)
    if (known !== undefined) return known
    const canSetUp = pythonEnvironment !== undefined
    const { platform } = process
    const found = findInterpreter({ name, module, distribution, versions, canSetUp, pythonPath, env, platform })
    searches.set(key, found)
    void found.then(outcome => 'reason' in outcome && searches.delete(key)) // it may be mended meanwhile
    return found
  }

  async function probe(): Promise<Probe> {
    const found = await search(process.env)
    if ('reason' in found) return { available: false, devices: [], reason: found.reason }
    const { version, devices, path, pythonVersion } = found
    return { available: true, version, devices, capabilities, facts: { python: `${pythonVersion} (${path})` } }
  }

  async function open(options: OpenOptions): Promise<OpenedFramework> {
    const { env, group } = options
    const { path, devices } = requireInterpreter(await search(env))
    const device = options.device ?? (devices[0] as Device)
    const variables = definition.environment?.({ device, env, ...(group && { group }) })
    const worker = await WorkerProcess.start({
      name,
      python: path,
      env: { ...processEnvironment(env, pythonPath), ...variables },
      timeouts: timeoutsOf(env),
    })
    try {
      const { kind, index } = device
      const { rank = 0, worldSize = 1, rendezvous = '' } = group ?? {}
      const params = { module, device: { kind, index }, rank, worldSize, rendezvous }
      const facts = await worker.connection.call('open', params, frameworkFacts)
      const framework = new WorkerFramework(name, worker.connection, facts, device)
      const { shareMemory } = options
      return {
        framework,
        createRunner: target => WorkerRunner.create(worker, { framework: name, capabilities, target, shareMemory }),
        close: () => worker.close(),
      }
    } catch (error) {
      await worker.close()
      throw error
    }
  }

  const managed = pythonEnvironment && { pythonEnvironment: wherePossible(pythonEnvironment) }
  return { specVersion: SPEC_VERSION, name, priority, ...managed, probe, open }
}

/** Nothing is installed where it could not be run. */
function wherePossible(environment: PythonEnvironment): PythonEnvironment {
  return {
    ...environment,
    installs(machine) {
      if (machine.platform === 'win32') throw new NoFrameworkError(WITHOUT_WORKERS)
      return environment.installs(machine)
    },
  }
}

function frameworkFacts(reply: Reply): FrameworkFacts {
  if (!Array.isArray(reply.devices) || !Array.isArray(reply.dtypes)) {
    throw new WorkerError('The worker opened a framework without saying what it has.')
  }
  return reply as unknown as FrameworkFacts
}

function timeoutsOf(env: OpenOptions['env']): Partial<Timeouts> {
  const stepMs = milliseconds(env, 'QUIRE_STEP_TIMEOUT_MS')
  const heartbeatMs = milliseconds(env, 'QUIRE_HEARTBEAT_TIMEOUT_MS')
  return { ...(stepMs !== undefined && { stepMs }), ...(heartbeatMs !== undefined && { heartbeatMs }) }
}

function milliseconds(env: OpenOptions['env'], variable: string): number | undefined {
  const given = env[variable]
  if (given === undefined || given === '') return undefined
  const value = Number(given)
  if (Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError(variable, 'A time in milliseconds is a number above 0.', given)
}
