// A framework within reach as lines of text: what it found, or why it is not available.

import type { Candidate } from '../plugin/candidates.js'

export function describeCandidate({ name, origin, probe, priority }: Candidate): string[] {
  const devices = probe.devices.map(({ kind, index }) => `${kind}:${index}`).join(', ')
  const state = probe.available ? `available on ${devices}` : `not available: ${probe.reason ?? 'no reason given'}`
  const versionText = probe.version === undefined ? '' : ` ${probe.version}`
  const facts = Object.entries(probe.facts ?? {}).map(([key, value]) => `    ${key.padEnd(14)} ${value}`)
  const rank = Number.isFinite(priority) ? `, priority ${priority}` : ''
  return [`  ${name}${versionText} (${origin}${rank}): ${state}`, ...facts]
}
