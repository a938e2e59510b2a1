// Where figures go that are worth keeping: benches/results/<bench>.json, with date, machine and commit.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** Prints the figures; with `--output` on the command line also keeps them. */
export function report(bench, figures) {
  const [cpu] = cpus()
  const result = {
    bench,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} x ${cpu?.model}`,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: repository, encoding: 'utf8' }).trim(),
    ...figures,
  }
  console.log(JSON.stringify(result, null, 2))
  if (!process.argv.includes('--output')) return
  mkdirSync(`${repository}/benches/results`, { recursive: true })
  writeFileSync(`${repository}/benches/results/${bench}.json`, `${JSON.stringify(result, null, 2)}\n`)
}

/** The middle one. */
export function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}
