// Asks the programs that make virtual environments whether they are there: uv, and Pythons of suitable releases.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { PythonEnvironment } from '../plugin/python-environment.js'

const ANSWER_TIMEOUT_MS = 20_000

/** What makes an environment. */
export type PythonTools =
  | { readonly kind: 'uv'; readonly python: string | undefined }
  | { readonly kind: 'venv'; readonly python: string; readonly version: string }

/** An interpreter that was asked. */
interface PythonAnswer {
  readonly version: string
  readonly hasPip: boolean
}

/**
 * uv where it is installed, else a Python with which an environment can be made.
 * @param asked the Python to use, by path or name; absent = the first suitable one.
 */
export async function findPythonTools(
  { python }: PythonEnvironment,
  asked: string | undefined,
): Promise<PythonTools | { readonly reason: string }> {
  const range = `Python ${python.atLeast} or later, before ${python.below}`
  if (asked !== undefined) {
    const found = await askPython(asked)
    if (found === undefined) return { reason: `${asked} is no Python that runs.` }
    if (!isWithin(found.version, python)) return { reason: `${asked} is Python ${found.version}; ${range} is needed.` }
    return (await hasUv()) ? { kind: 'uv', python: asked } : { kind: 'venv', python: asked, version: found.version }
  }
  if (await hasUv()) return { kind: 'uv', python: undefined }
  const seen: string[] = []
  for (const name of namesOf(python)) {
    const found = await askPython(name)
    if (found === undefined) continue
    if (isWithin(found.version, python)) return { kind: 'venv', python: name, version: found.version }
    seen.push(`${name} is ${found.version}`)
  }
  const instead = seen.length === 0 ? 'no Python was found' : seen.join(', ')
  return { reason: `${range} is needed, and ${instead}. Install one, or uv, or name one by --python.` }
}

/** What an interpreter says of itself; undefined if it does not run. */
export async function askPython(path: string): Promise<PythonAnswer | undefined> {
  const script = 'import importlib.util as u, sys; print("%d.%d.%d" % sys.version_info[:3], bool(u.find_spec("pip")))'
  const [version, hasPip] = (await answer(path, ['-c', script]))?.trim().split(' ') ?? []
  return version === undefined ? undefined : { version, hasPip: hasPip === 'True' }
}

/** `python3`, then the names of releases in range, the newest first. */
function namesOf({ atLeast, below }: PythonEnvironment['python']): string[] {
  const [first, end] = [minorOf(atLeast), minorOf(below)]
  const releases = Array.from({ length: Math.max(0, end - first) }, (_, index) => `python3.${end - 1 - index}`)
  return ['python3', 'python', ...releases]
}

function isWithin(version: string, { atLeast, below }: PythonEnvironment['python']): boolean {
  return minorOf(version) >= minorOf(atLeast) && minorOf(version) < minorOf(below)
}

/** The 12 of 3.12.4: all releases that anybody installs are of Python 3. */
function minorOf(version: string): number {
  return Number(version.split('.')[1] ?? 0)
}

async function hasUv(): Promise<boolean> {
  return (await answer('uv', ['--version'])) !== undefined
}

async function answer(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: ANSWER_TIMEOUT_MS, killSignal: 'SIGKILL' })
    return stdout
  } catch {
    return undefined
  }
}
