// What macOS can give without swapping. `freemem` of Node.js counts pages that nobody ever used, of which a machine that has run for a
// while has few: files that were read fill the others.

import { execFileSync } from 'node:child_process'

/** Pages that are free, read ahead, or not used lately, as `vm_stat` calls them. */
const AVAILABLE = ['free', 'speculative', 'inactive']

/** Bytes that can be had, out of what `vm_stat` prints; undefined where it does not say. */
export function availableBytes(statistics: string): number | undefined {
  const pageBytes = Number(/page size of (\d+) bytes/.exec(statistics)?.[1])
  const numPages = AVAILABLE.map(kind => Number(new RegExp(`^Pages ${kind}:\\s+(\\d+)\\.`, 'm').exec(statistics)?.[1]))
  const bytes = pageBytes * numPages.reduce((sum, count) => sum + count, 0)
  return Number.isNaN(bytes) ? undefined : bytes
}

/** The same of this machine; undefined on other systems, and where the program may not be called. */
export function availableOnMacos(): number | undefined {
  if (process.platform !== 'darwin') return undefined
  try {
    return availableBytes(execFileSync('/usr/bin/vm_stat', { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  } catch {
    return undefined
  }
}
