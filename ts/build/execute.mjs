// Starts programs. Their output passes through as it is, or is handed to the caller line by line.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { inRoot, root } from './repository.mjs'
import { StepError } from './step-error.mjs'

/**
 * Runs a program to its end and resolves to its exit code (a signal counts as 1).
 * @param {string} program
 * @param {string[]} programArguments
 * @param {{ directory?: string, environment?: Record<string, string | undefined>, input?: 'inherit' | 'ignore', output?: 'inherit' | 'stderr', onLine?: (line: string) => void }} [options]
 *   directory is relative to the repository; onLine receives every line of stdout and stderr instead of the terminal; output 'stderr' keeps stdout free.
 */
export function execute(program, programArguments, options = {}) {
  const stdout = options.onLine ? 'pipe' : options.output === 'stderr' ? 2 : 'inherit'
  const child = start(program, programArguments, {
    cwd: inRoot(options.directory ?? ''),
    env: { ...process.env, ...options.environment },
    stdio: [options.input ?? 'ignore', stdout, options.onLine ? 'pipe' : 'inherit'],
  })
  const readers = options.onLine ? [child.stdout, child.stderr].map(stream => readLines(stream, options.onLine)) : []
  return new Promise((resolve, reject) => {
    child.on('error', error => reject(new StepError(`${program} could not be started: ${error.message}.`)))
    child.on('close', code => Promise.all(readers).then(() => resolve(code ?? 1), reject))
  })
}

/** Runs a program that must succeed. @throws {StepError} `what` failed. */
export async function mustExecute(what, program, programArguments, options) {
  const code = await execute(program, programArguments, options)
  if (code !== 0) throw new StepError(`${what} failed (${program} exited with code ${code}); see its output above.`)
}

/** The trimmed stdout of a program, or undefined where it is missing or fails. */
export async function outputOf(program, programArguments) {
  return new Promise(resolve => {
    const child = start(program, programArguments, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
    const chunks = []
    child.stdout.on('data', chunk => chunks.push(chunk))
    child.on('error', () => resolve(undefined))
    child.on('close', code => resolve(code === 0 ? Buffer.concat(chunks).toString().trim() : undefined))
  })
}

function start(program, programArguments, options) {
  const line = scriptLine(program, programArguments, process.platform)
  return line === undefined ? spawn(program, programArguments, options) : spawn(line, { ...options, shell: true })
}

/**
 * The line for cmd.exe that calls what is a script on Windows: npm, and the programs of npm's packages. Undefined for programs, which need no
 * shell, and whose arguments none should read.
 * @param {NodeJS.Platform} platform
 */
export function scriptLine(program, programArguments, platform) {
  if (platform !== 'win32' || (program !== 'npm' && !program.endsWith('.cmd'))) return undefined
  return [program, ...programArguments].map(word => (/^[\w.:\\/@=+-]+$/.test(word) ? word : `"${word}"`)).join(' ')
}

async function readLines(stream, onLine) {
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) onLine(line)
}
