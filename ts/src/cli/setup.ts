// `quire setup <plugin>`: makes the virtual environment that a plugin over Python runs in, or goes on where it was cut off.
// Which frameworks there are it learns from the plugins of the app.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { NoFrameworkError, PluginError } from '../errors.js'
import { reachableSources } from '../plugin/candidates.js'
import { pluginInFolder } from '../plugin/discovery.js'
import type { FrameworkPlugin } from '../plugin/framework-plugin.js'
import { type ManagedEnvironment, managedEnvironment, type PythonInstall } from '../plugin/python-environment.js'
import { withInterrupt } from './interrupt.js'
import type { ExitCode } from './main.js'
import { helpOf, type OptionRow, parseOptions } from './options.js'
import { askPython, findPythonTools } from './python-tools.js'
import { type EnvironmentState, fingerprintOf, planSetup, REMOVE, type SetupStep, shellLine } from './setup-plan.js'
import type { Streams } from './streams.js'
import { currentMachine, currentReach } from './surroundings.js'
import { UsageError } from './usage-error.js'

/** Written last into an environment: without it, the environment is half made. */
const MARKER = 'quire-setup.json'

const rows: readonly OptionRow[] = [
  { name: 'dry-run', kind: 'flag', help: 'print the commands and run none' },
  {
    name: 'python',
    kind: 'text',
    value: 'PATH',
    help: 'make the environment of this Python (default: a suitable one)',
  },
  { name: 'cpu', kind: 'flag', help: 'install builds for the CPU alone, whatever the machine has' },
]

export const setupCommand = {
  summary: "make a plugin's Python environment",
  help: `Usage: quire setup <plugin> [options]

Makes the virtual environment that a plugin over Python runs in, at \${QUIRE_HOME}/python/<plugin> (QUIRE_HOME is by default
the folder 'quire' of the user's data). Run again it goes on where it was cut off. <plugin> is the name of a plugin among the
dependencies of the app in the working directory, or the path of a plugin's folder.

Options:
${helpOf(rows)}
`,
  run: setup,
}

interface Setup {
  readonly plugin: FrameworkPlugin
  readonly managed: ManagedEnvironment
  readonly installs: readonly PythonInstall[]
  readonly fingerprint: string
}

async function setup(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const at = args.findIndex((arg, index) => !arg.startsWith('-') && args[index - 1] !== '--python')
  const { own } = parseOptions(
    args.filter((_, index) => index !== at),
    rows,
  )
  const name = args[at]
  if (name === undefined) throw new UsageError(`Which plugin? Here: ${(await namesInReach()).join(', ') || 'none'}.`)
  const plugin = await pluginToSetUp(name)
  const environment = plugin.pythonEnvironment
  if (environment === undefined) {
    streams.stdout.write(`${plugin.name} needs no setup.\n`)
    return 0
  }
  const machine = own.cpu === true ? { ...currentMachine(), accelerators: [] } : currentMachine()
  const installs = environment.installs(machine)
  const requirements = await Promise.all(installs.map(each => readFile(each.requirements, 'utf8')))
  const managed = managedEnvironment(checkedName(plugin), process.env)
  const job = { plugin, managed, installs, fingerprint: fingerprintOf(installs, requirements) }
  const state = await stateOf(managed)
  if (state.endsWith('pip') && (await markedFingerprint(managed)) === job.fingerprint) {
    streams.stdout.write(
      `${own['dry-run'] === true ? '# ' : ''}${plugin.name} is set up already in ${managed.folder}\n`,
    )
    return own['dry-run'] === true ? 0 : report(job, streams)
  }
  const tools = await findPythonTools(environment, own.python as string | undefined)
  if ('reason' in tools) throw new NoFrameworkError(tools.reason)
  const steps = planSetup({ environment, managed, state, tools, installs })
  if (own['dry-run'] === true) {
    streams.stdout.write(steps.map(({ command }) => `${shellLine(command)}\n`).join(''))
    return 0
  }
  const code = await runAll(steps, streams)
  if (code !== 0) return code
  const made = { fingerprint: job.fingerprint, plugin: plugin.name, at: new Date().toISOString() }
  await writeFile(join(managed.folder, MARKER), `${JSON.stringify(made, null, 2)}\n`)
  return report(job, streams)
}

/** What `setup` left in the place of a plugin's environment. */
export async function setupState(plugin: FrameworkPlugin): Promise<'ready' | 'half made' | 'not made'> {
  const managed = managedEnvironment(plugin.name, process.env)
  if ((await markedFingerprint(managed)) !== undefined) return 'ready'
  return existsSync(managed.folder) ? 'half made' : 'not made'
}

async function namesInReach(): Promise<string[]> {
  return (await reachableSources(currentReach())).map(({ name, origin }) => name ?? origin)
}

/** @throws NoFrameworkError naming the command that installs it; PluginError. */
async function pluginToSetUp(name: string): Promise<FrameworkPlugin> {
  if (name.startsWith('.') || isAbsolute(name)) return (await pluginInFolder(name)).load()
  const sources = await reachableSources(currentReach())
  for (const source of sources) {
    if (source.name !== undefined && source.name !== name && source.origin !== name) continue
    const plugin = await source.load()
    if (plugin.name === name || source.origin === name) return plugin
  }
  throw new NoFrameworkError(
    `No plugin '${name}' is among the dependencies of the app in ${process.cwd()}. Install it first, such as by \`npm install @quire-llm/${name}\`. Here: ${(await namesInReach()).join(', ')}.`,
    { details: { asked: name } },
  )
}

/** The plugin's name, which becomes a folder's. @throws PluginError for one that could lead elsewhere. */
function checkedName({ name }: FrameworkPlugin): string {
  if (/^\w[\w.-]*$/.test(name)) return name
  throw new PluginError(`The plugin's name '${name}' cannot be the name of its environment.`, { details: { name } })
}

async function stateOf({ folder, python }: ManagedEnvironment): Promise<EnvironmentState> {
  if (!existsSync(folder)) return 'absent'
  const found = await askPython(python)
  if (found === undefined) return 'broken'
  return found.hasPip ? 'with pip' : 'without pip'
}

async function markedFingerprint({ folder }: ManagedEnvironment): Promise<string | undefined> {
  try {
    return (JSON.parse(await readFile(join(folder, MARKER), 'utf8')) as { fingerprint?: string }).fingerprint
  } catch {
    return undefined
  }
}

/** Runs the steps; what they print goes to standard error. A step that fails ends the run. */
function runAll(steps: readonly SetupStep[], { stderr }: Streams): Promise<ExitCode> {
  return withInterrupt(async signal => {
    for (const [index, { title, command }] of steps.entries()) {
      stderr.write(`[${index + 1}/${steps.length}] ${title}\n    ${shellLine(command)}\n`)
      const failure = await run(command, signal)
      const goOn = 'Run the same command again to go on from here.'
      if (signal.aborted) {
        stderr.write(`quire: interrupted. ${goOn}\n`)
        return 130
      }
      if (failure !== undefined) {
        stderr.write(`quire: ${title} failed (${failure}). ${goOn}\n`)
        return 1
      }
    }
    return 0
  })
}

/** Why a command did not succeed; undefined if it did. */
async function run([program, ...args]: SetupStep['command'], signal: AbortSignal): Promise<string | undefined> {
  if (program === REMOVE) {
    await rm(args[0] as string, { recursive: true, force: true })
    return undefined
  }
  return new Promise(resolve => {
    const child = spawn(program, args, {
      stdio: ['ignore', 2, 2],
      env: withoutEnvironment(),
      signal,
      killSignal: 'SIGINT',
    })
    child.on('error', error => resolve(error.message))
    child.on('close', (code, by) => resolve(code === 0 ? undefined : by === null ? `exit code ${code}` : by))
  })
}

/** The environment variables without those by which an active environment would lead an installer astray. */
function withoutEnvironment(): NodeJS.ProcessEnv {
  const { VIRTUAL_ENV: _active, PYTHONHOME: _home, PYTHONPATH: _path, ...rest } = process.env
  return rest
}

/** What the plugin says of itself now. */
async function report({ plugin }: Setup, { stdout, stderr }: Streams): Promise<ExitCode> {
  const { available, version, devices, reason, facts } = await plugin.probe()
  if (!available) {
    stderr.write(`quire: ${plugin.name} is installed but not available: ${reason ?? 'it gave no reason'}\n`)
    return 1
  }
  const where = devices.map(({ kind, index }) => `${kind}:${index}`).join(', ')
  const interpreter = facts?.python === undefined ? '' : `, with Python ${facts.python}`
  stdout.write(`${plugin.name} ${version ?? ''} is ready on ${where}${interpreter}\n`)
  return 0
}
