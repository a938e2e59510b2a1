// `quire info`: version, platform, and every framework within reach: what it found, or why it is not available.

import { availableParallelism } from 'node:os'
import { bundledModelDirectory } from '../config/index.js'
import { type Candidate, listCandidates } from '../plugin/candidates.js'
import type { ExitCode } from './main.js'
import { parseOptions } from './options.js'
import type { Streams } from './streams.js'
import { version } from './version.js'

export const infoCommand = {
  summary: 'version, CPU features, kernels, frameworks',
  help: 'Usage: quire info\n\nPrints the version, the CPU features found, the kernels chosen, and which frameworks are available.\n',
  run: info,
}

async function info(args: readonly string[], { stdout }: Streams): Promise<ExitCode> {
  parseOptions(args, [])
  const candidates = await listCandidates({ env: process.env, appDirectory: process.cwd() })
  const lines = [
    `quire          ${version()}`,
    `runtime        node ${process.versions.node} on ${process.platform}-${process.arch}, ${availableParallelism()} cores`,
    `bundled model  ${bundledModelDirectory()}`,
    'frameworks',
    ...candidates.flatMap(describe),
  ]
  stdout.write(`${lines.join('\n')}\n`)
  return 0
}

function describe({ name, origin, probe, priority }: Candidate): string[] {
  const devices = probe.devices.map(({ kind, index }) => `${kind}:${index}`).join(', ')
  const state = probe.available ? `available on ${devices}` : `not available: ${probe.reason ?? 'no reason given'}`
  const versionText = probe.version === undefined ? '' : ` ${probe.version}`
  const facts = Object.entries(probe.facts ?? {}).map(([key, value]) => `    ${key.padEnd(14)} ${value}`)
  const rank = Number.isFinite(priority) ? `, priority ${priority}` : ''
  return [`  ${name}${versionText} (${origin}${rank}): ${state}`, ...facts]
}
