// Asks the advisory databases about the locked packages, and says which database could not be asked. What nobody answered
// is not a failure, and not a pass either.
import { execute, outputOf } from './execute.mjs'

/** Severity from which an advisory fails the check. */
const SEVERITY = 'high'

/** @returns {Promise<{ failed: boolean, lines: string[] }>} one line per dependency tree */
export async function checkAdvisories() {
  const answers = [await npmAdvisories(), await cargoAdvisories()]
  return { failed: answers.some(({ failed }) => failed), lines: answers.map(({ line }) => line) }
}

async function npmAdvisories() {
  const lines = []
  const code = await execute('npm', ['audit', '--json', `--audit-level=${SEVERITY}`], {
    onLine: line => lines.push(line),
  })
  const report = parseReport(lines)
  if (report?.metadata?.vulnerabilities === undefined)
    return { failed: false, line: 'npm advisories: not asked, the registry has no answer to npm audit here' }
  const counts = Object.entries(report.metadata.vulnerabilities).filter(([, count]) => count > 0)
  const found = counts.map(([severity, count]) => `${severity} ${count}`).join(', ') || 'none'
  const names = Object.keys(report.vulnerabilities ?? {}).join(', ')
  return { failed: code !== 0, line: `npm advisories: ${found}${names && ` (${names})`}` }
}

async function cargoAdvisories() {
  if ((await outputOf('cargo', ['audit', '--version'])) === undefined)
    return {
      failed: false,
      line: 'cargo advisories: not asked, cargo-audit is not installed (cargo install cargo-audit)',
    }
  const lines = []
  const code = await execute('cargo', ['audit', '--json'], { onLine: line => lines.push(line) })
  const report = parseReport(lines)
  if (report?.vulnerabilities === undefined)
    return { failed: false, line: 'cargo advisories: not asked, the RustSec database on GitHub is out of reach' }
  return { failed: code !== 0, line: `cargo advisories: ${report.vulnerabilities.count}` }
}

function parseReport(lines) {
  const text = lines.join('\n')
  try {
    return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1))
  } catch {
    return undefined
  }
}
