// What became of each case, and the report as text.

import { EngineError } from '../errors.js'
import type { Device } from '../plugin/device.js'
import type { CaseGroup, CaseStatus } from './conformance-case.js'

/** How one case went. */
export interface CaseResult {
  /** What the case says of a plugin that conforms. */
  readonly name: string
  /** What it is about. */
  readonly group: CaseGroup
  /** How it ended. */
  readonly status: CaseStatus
  /** Why it was skipped. */
  readonly reason?: string
  /** What a case that passed has to tell, such as the error that it measured. */
  readonly note?: string
  /** Why it failed. */
  readonly error?: Error
}

/** How all cases went. */
export interface ConformanceReport {
  /** The plugin's name. */
  readonly plugin: string
  /** Version of the framework, where it is available. */
  readonly version?: string
  /** The device that cases ran on; absent if none did. */
  readonly device?: Device
  /** In the order in which they ran. */
  readonly results: readonly CaseResult[]
  /** Cases that passed. */
  readonly numPassed: number
  /** Cases that failed. */
  readonly numFailed: number
  /** Cases that were not tried. */
  readonly numSkipped: number
}

/** One line a case, by groups; skipped cases with their reason. */
export function formatReport(report: ConformanceReport): string {
  const { plugin, version, device, results, numPassed, numFailed, numSkipped } = report
  const where = device === undefined ? '' : ` on ${device.kind}:${device.index}`
  const lines = [
    `${plugin}${version === undefined ? '' : ` ${version}`}${where}: ${numPassed} passed, ${numFailed} failed, ${numSkipped} skipped`,
  ]
  let group: CaseGroup | undefined
  for (const result of results) {
    if (result.group !== group) lines.push(result.group)
    group = result.group
    const remark = result.error === undefined ? (result.reason ?? result.note) : describe(result.error)
    lines.push(`  ${result.status.padEnd(8)} ${result.name}${remark === undefined ? '' : `: ${remark}`}`)
  }
  return lines.join('\n')
}

function describe(error: Error): string {
  const code = error instanceof EngineError ? error.code : (error as { code?: unknown }).code
  const message = error.message.split('\n', 1)[0] ?? ''
  return typeof code === 'string' && code !== 'ERR_ASSERTION' ? `${code}: ${message}` : message
}
