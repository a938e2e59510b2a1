// `quire info`: version, platform, and every framework within reach: what it found, or why it is not available. With a model:
// what is in it.

import { availableParallelism } from 'node:os'
import { bundledModelDirectory } from '../config/node.js'
import { readHubSettings } from '../hub/index.js'
import { type Candidate, listCandidates } from '../plugin/candidates.js'
import { describeCandidate } from './describe-candidate.js'
import { kernelLines, measuredKernels } from './describe-kernels.js'
import { describeModel, modelLines } from './describe-model.js'
import type { ExitCode } from './main.js'
import { splitOperands } from './operands.js'
import { helpOf, type OptionRow, parseOptions } from './options.js'
import type { Streams } from './streams.js'
import { currentReach, runtimeName } from './surroundings.js'
import { UsageError } from './usage-error.js'
import { version } from './version.js'

const rows: readonly OptionRow[] = [
  { name: 'kernels', kind: 'flag', help: 'measure this machine, and what the kernels make of it (some seconds)' },
  { name: 'json', kind: 'flag', help: 'print one JSON object' },
]

export const infoCommand = {
  summary: 'version, CPU features, kernels, frameworks',
  help: `Usage: quire info [MODEL] [options]

Prints the version, the CPU features found, the kernels chosen, which frameworks are available, and where models are. With a
model, a folder or a GGUF file, what is in it; no weights are read. With --kernels, how fast memory is read and numbers are
multiplied here, and the shares that products of the model's formats reach.

Options:
${helpOf(rows)}
`,
  run: info,
}

async function info(args: readonly string[], { stdout }: Streams): Promise<ExitCode> {
  const { operands, options } = splitOperands(args, rows)
  const { own } = parseOptions(options, rows)
  const [model, ...others] = operands
  if (others.length > 0) throw new UsageError('Give one model.')
  if (model !== undefined) {
    const facts = await describeModel(model)
    const kernels = own.kernels === true ? await measuredKernels(facts, process.env) : undefined
    const lines = [...modelLines(facts), ...(kernels === undefined ? [] : kernelLines(kernels))]
    const report = kernels === undefined ? facts : { ...facts, kernels }
    stdout.write(own.json === true ? `${JSON.stringify(report, null, 2)}\n` : `${lines.join('\n')}\n`)
    return 0
  }
  const kernels = own.kernels === true ? await measuredKernels(undefined, process.env) : undefined
  const candidates = await listCandidates(currentReach())
  const report = {
    quire: version(),
    runtime: runtimeName(),
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    bundledModel: bundledModelDirectory(),
    modelCache: (await readHubSettings({}, process.env)).cacheDir,
    frameworks: candidates.map(plain),
    ...(kernels !== undefined && { kernels }),
  }
  if (own.json === true) {
    stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    return 0
  }
  const lines = [
    `quire          ${report.quire}`,
    `runtime        ${report.runtime} on ${report.platform}, ${report.cores} cores`,
    `bundled model  ${report.bundledModel}`,
    `model cache    ${report.modelCache}`,
    'frameworks',
    ...candidates.flatMap(describeCandidate),
    ...(kernels === undefined ? [] : kernelLines(kernels)),
  ]
  stdout.write(`${lines.join('\n')}\n`)
  return 0
}

function plain({ name, origin, kind, priority, probe }: Candidate): object {
  return { name, origin, kind, priority: Number.isFinite(priority) ? priority : null, ...probe }
}
