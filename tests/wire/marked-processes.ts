// Processes of one test: they carry its mark in their environment, whoever started them.

import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const VARIABLE = 'QUIRE_TEST_MARK'

export class MarkedProcesses {
  /** To be laid over the environment of the first of them. */
  readonly env: Readonly<Record<string, string>> = { [VARIABLE]: randomUUID() }

  /** Ids and command lines of those that live, but for this process and those that run `without`. */
  list(without?: string): { readonly pid: number; readonly parent: number; readonly command: string }[] {
    const found = []
    for (const name of readdirSync('/proc')) {
      const pid = Number(name)
      if (!Number.isInteger(pid) || pid === process.pid) continue
      if (!read(pid, 'environ').includes(`${VARIABLE}=${this.env[VARIABLE]}`)) continue
      const command = read(pid, 'cmdline').replaceAll('\0', ' ').trim()
      const parent = Number(/^PPid:\s*(\d+)$/m.exec(read(pid, 'status'))?.[1])
      if (without === undefined || !command.includes(without)) found.push({ pid, parent, command })
    }
    return found
  }

  /** The worker: its guard and all else are below it. */
  worker(parent = process.pid): number {
    const [found] = this.list().filter(each => each.parent === parent && each.command.includes('quire_worker'))
    if (found === undefined) throw new Error('No worker runs')
    return found.pid
  }

  /** True as soon as one runs that command: one just forked does not, yet. */
  async runs(command: string, ms = 60_000): Promise<boolean> {
    for (const end = performance.now() + ms; performance.now() < end; await sleep(20)) {
      if (this.list().some(each => each.command === command)) return true
    }
    return false
  }

  /** Those that still live after `ms`, or when there are none. */
  async left(ms = 60_000): Promise<string[]> {
    for (const end = performance.now() + ms; performance.now() < end; await sleep(20)) {
      if (this.list().length === 0) return []
    }
    return this.list().map(({ pid, command }) => `${pid} ${command}`)
  }
}

/** Empty for a process that ended, or that belongs to somebody else. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
