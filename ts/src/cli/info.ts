// `quire info`: version, platform, and every framework within reach: what it found, or why it is not available.

import { availableParallelism } from 'node:os'
import { bundledModelDirectory } from '../config/index.js'
import { listCandidates } from '../plugin/candidates.js'
import { describeCandidate } from './describe-candidate.js'
import type { ExitCode } from './main.js'
import { parseOptions } from './options.js'
import type { Streams } from './streams.js'
import { currentReach, runtimeName } from './surroundings.js'
import { version } from './version.js'

export const infoCommand = {
  summary: 'version, CPU features, kernels, frameworks',
  help: 'Usage: quire info\n\nPrints the version, the CPU features found, the kernels chosen, and which frameworks are available.\n',
  run: info,
}

async function info(args: readonly string[], { stdout }: Streams): Promise<ExitCode> {
  parseOptions(args, [])
  const candidates = await listCandidates(currentReach())
  const lines = [
    `quire          ${version()}`,
    `runtime        ${runtimeName()} on ${process.platform}-${process.arch}, ${availableParallelism()} cores`,
    `bundled model  ${bundledModelDirectory()}`,
    'frameworks',
    ...candidates.flatMap(describeCandidate),
  ]
  stdout.write(`${lines.join('\n')}\n`)
  return 0
}
