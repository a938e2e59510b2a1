// Where results are written, with the date, machine and commit that they were taken on.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = resolve(fileURLToPath(new URL('../..', import.meta.url)))

/** Writes benches/results/<name>.json. */
export function writeResult(name, result) {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: repository, encoding: 'utf8' }).trim()
  const machine = `${cpus().length} x ${cpus()[0]?.model}`
  const whole = { bench: name, date: new Date().toISOString().slice(0, 10), machine, commit, ...result }
  mkdirSync(join(repository, 'benches/results'), { recursive: true })
  writeFileSync(join(repository, `benches/results/${name}.json`), `${JSON.stringify(whole, null, 2)}\n`)
}

/** The middle of `values`. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
