// Runs a program in the folder of an app, with nothing of the caller's environment that would choose a framework.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const TIMEOUT_MS = 120_000

export async function run(
  [program, ...args]: readonly [string, ...string[]],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const options = { cwd, env: { ...plainEnvironment(), ...env }, maxBuffer: 1 << 26, timeout: TIMEOUT_MS }
  try {
    return { code: 0, ...(await promisify(execFile)(program, args, options)) }
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
    return { code: typeof code === 'number' ? code : 1, stdout, stderr: stderr || String(error) }
  }
}

/** What it printed. @throws if it failed, with what it said. */
export function succeeded({ code, stdout, stderr }: Finished): string {
  if (code === 0) return stdout
  throw new Error(`exit code ${code}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`)
}

function plainEnvironment(): NodeJS.ProcessEnv {
  const chosen = /^(QUIRE_.*|VIRTUAL_ENV|NODE_OPTIONS|npm_.*)$/i
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !chosen.test(name)))
}
