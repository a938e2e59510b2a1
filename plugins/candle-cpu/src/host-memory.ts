// How much memory this process may still take, and has taken: from the operating system, since a CPU has no other account.

import { readFileSync, writeFileSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import type { MemoryInfo } from 'quire-llm/plugin'
import type { MemoryAccount } from './candle-host.js'
import { availableOnMacos } from './vm-stat.js'

export const hostMemory: MemoryAccount = { info, peakBytes, resetPeak }

/** Memory that can be had without swapping, within the limit of this process's control group. */
function info(): MemoryInfo {
  const limit = process.constrainedMemory?.() ?? 0
  const totalBytes = limit > 0 && limit < totalmem() ? limit : totalmem()
  const available = fieldBytes('/proc/meminfo', 'MemAvailable') ?? availableOnMacos() ?? freemem()
  const withinLimit = Math.max(0, totalBytes - process.memoryUsage.rss())
  return { freeBytes: Math.min(available, withinLimit), totalBytes }
}

/** Most memory that was resident at once since the last reset. */
function peakBytes(): number {
  return fieldBytes('/proc/self/status', 'VmHWM') ?? process.resourceUsage().maxRSS * 1024
}

/** False where the system keeps no peak that can be reset. */
function resetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
    return true
  } catch {
    return false
  }
}

/** A field in kB of one of Linux's own accounts, in bytes; undefined elsewhere. */
function fieldBytes(path: string, name: string): number | undefined {
  try {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(path, 'utf8'))?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  } catch {
    return undefined
  }
}
