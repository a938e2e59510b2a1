// Which commands make a plugin's Python environment, given what is there already. It runs none of them.

import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { ManagedEnvironment, PythonEnvironment, PythonInstall } from '../plugin/python-environment.js'
import type { PythonTools } from './python-tools.js'

/** One command line, or the removal of a folder. */
export interface SetupStep {
  readonly title: string
  readonly command: readonly [string, ...string[]]
}

/** What is in the place of the environment: nothing, ruins, or an interpreter, with pip or without. */
export type EnvironmentState = 'absent' | 'broken' | 'without pip' | 'with pip'

export interface SetupPlanInput {
  readonly environment: PythonEnvironment
  readonly managed: ManagedEnvironment
  readonly state: EnvironmentState
  readonly tools: PythonTools
  readonly installs: readonly PythonInstall[]
}

/** The command that stands for removing the folder of ruins. */
export const REMOVE = 'rm -rf'

export function planSetup({ environment, managed, state, tools, installs }: SetupPlanInput): SetupStep[] {
  const { folder, python } = managed
  const steps: SetupStep[] = []
  if (state === 'broken') steps.push({ title: 'removing what does not run', command: [REMOVE, folder] })
  const isUsable = state === 'with pip' || (state === 'without pip' && tools.kind === 'uv')
  if (!isUsable) {
    const { atLeast, below } = environment.python
    const command: SetupStep['command'] =
      tools.kind === 'uv'
        ? ['uv', 'venv', '--allow-existing', '--python', tools.python ?? `>=${atLeast},<${below}`, folder]
        : [tools.python, '-m', 'venv', folder]
    steps.push({ title: 'making the virtual environment', command })
  }
  for (const { requirements, arguments: more = [] } of installs) {
    const wanted = ['-r', fileURLToPath(requirements), ...more]
    const command: SetupStep['command'] =
      tools.kind === 'uv'
        ? ['uv', 'pip', 'install', '--python', python, ...wanted]
        : [python, '-m', 'pip', 'install', '--disable-pip-version-check', ...wanted]
    steps.push({ title: 'installing the requirements', command })
  }
  return steps
}

/** Changes when something else is to be installed. */
export function fingerprintOf(installs: readonly PythonInstall[], requirements: readonly string[]): string {
  const facts = installs.map(({ arguments: more = [] }, index) => [requirements[index], more])
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex')
}

/** A command line that a shell takes. */
export function shellLine(command: readonly string[]): string {
  return command
    .map((word, index) => (word === REMOVE && index === 0 ? word : /^[\w@%+=:,./-]+$/.test(word) ? word : quoted(word)))
    .join(' ')
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
