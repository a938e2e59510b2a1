// Programs that the snippets of docs/ are: started, waited for, ended. Their environment has none of this process's settings.

import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** How long anything may take. */
export const MS = 120_000

export interface Program {
  readonly stdout: () => string
  readonly said: () => string
  readonly ended: Promise<number | null>
  end(): Promise<unknown>
}

export function start(
  [program, ...args]: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Program {
  const kept = Object.entries(process.env).filter(([name]) => !/^(QUIRE_|VLLM_|OPENAI_|HF_|NODE_OPTIONS)/.test(name))
  const child = spawn(program as string, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(kept), ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('close', resolve)
    child.on('error', reject)
  })
  return {
    stdout: () => stdout,
    said: () => `${stdout}\n${stderr}`,
    ended,
    end: () => {
      child.kill('SIGKILL')
      return ended
    },
  }
}

/** Waits until something is so. @throws if the program ends before, or it takes too long. */
export async function until(isTrue: () => boolean, program: Program): Promise<void> {
  const gone = program.ended.then(() => true)
  for (const end = Date.now() + MS; !isTrue(); ) {
    const isGone = await Promise.race([gone, delay(20, false)])
    if ((isGone && !isTrue()) || Date.now() > end) throw new Error(`in vain: ${program.said()}`)
  }
}

/** The exit code of a program that is ended if it takes too long. */
export async function codeOf(program: Program, limitMs = MS): Promise<number | null> {
  const timer = setTimeout(() => program.end(), limitMs)
  try {
    return await program.ended
  } finally {
    clearTimeout(timer)
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
