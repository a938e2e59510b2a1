// Runs the peers in turn, several rounds, and writes the medians with date, machine and commit.

import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { here, repository, run, setUp, weights } from './peers.mjs'

const rounds = Number(process.env.BENCH_ROUNDS ?? 3)

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const peers = setUp()
const samples = new Map()
for (let round = 0; round <= rounds; round += 1) {
  for (const [script, args] of peers) {
    const sample = JSON.parse(
      run(process.execPath, [join(here, script), ...args])
        .trim()
        .split('\n')
        .at(-1),
    )
    if (round === 0) continue // fills the page cache
    samples.set(sample.peer, [...(samples.get(sample.peer) ?? []), sample])
    console.log(JSON.stringify(sample))
  }
}

const medians = Object.fromEntries(
  [...samples].map(([peer, list]) => [
    peer,
    Object.fromEntries(
      Object.keys(list[0])
        .filter(key => key !== 'peer')
        .map(key => [key, Math.round(median(list.map(s => s[key])) * 10) / 10]),
    ),
  ]),
)
const name = weights === 'bf16' ? 'peers-smollm2' : `peers-smollm2-${weights}`
const result = {
  bench: name,
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} x ${cpus()[0]?.model}`,
  commit: run('git', ['rev-parse', '--short', 'HEAD'], { cwd: repository }).trim(),
  threads: Number(process.env.BENCH_THREADS ?? 2),
  rounds,
  medians,
}
mkdirSync(join(repository, 'benches/results'), { recursive: true })
writeFileSync(join(repository, `benches/results/${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
console.table(medians)
