// Runs the peers in turn, several rounds, and writes the medians with date, machine and commit.

import { join } from 'node:path'
import { here, run, setUp, weights } from './peers.mjs'
import { median, writeResult } from './result.mjs'

const rounds = Number(process.env.BENCH_ROUNDS ?? 3)

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
writeResult(name, { threads: Number(process.env.BENCH_THREADS ?? 2), rounds, medians })
console.table(medians)
