// Tries the plugin against the contract of quire-llm/plugin, and prints what passed, failed and was skipped.

import { conformance, formatReport } from 'quire-llm/testing'
import { plugin } from './index.js'

const report = await conformance(plugin)
process.stdout.write(`${formatReport(report)}\n`)
process.exitCode = report.numFailed === 0 ? 0 : 1
