// Runs the `quire` command as a process, in an app's folder.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const quire = fileURLToPath(new URL('../../ts/bin/quire.js', import.meta.url))

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** What standard input has. Default: nothing. */
  readonly input?: string
  /** Sends Ctrl-C once standard error has this text. */
  readonly interruptAfter?: RegExp
  /** The same by standard output. */
  readonly interruptAfterStdout?: RegExp
}

/** No variable of the caller's that has a say, but for its own. */
export function runQuire(
  args: readonly string[],
  { cwd, env = {}, input = '', interruptAfter, interruptAfterStdout }: CommandOptions,
): Promise<Finished> {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('QUIRE_') && name !== 'VIRTUAL_ENV')
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [quire, ...args], {
      cwd,
      env: { ...Object.fromEntries(kept), ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let [stdout, stderr, interrupted] = ['', '', false]
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (interruptAfterStdout?.test(stdout) && !interrupted) interrupted = child.kill('SIGINT')
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      if (interruptAfter?.test(stderr) && !interrupted) interrupted = child.kill('SIGINT')
    })
    child.stdin.on('error', () => {}).end(input) // a command that reads nothing may be gone
    child.on('error', reject).on('close', code => resolve({ code, stdout, stderr }))
  })
}
