// What is left of each peer's decode when another process takes half a core: one stream, alone and shared by turns in one run.
// On N cores a fair share is (N - 0.5) / N; an engine whose threads wait for each other loses more.

import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { median, report } from '../engine/result-file.mjs'
import { setUp, weights } from './peers.mjs'
import { threads } from './workload.mjs'

const rounds = Number(process.env.BENCH_ROUNDS ?? 5)
const WINDOW_MS = 3000

/** Computes for 5 of every 10 milliseconds. */
function startHalfACore() {
  const program = `
    const pause = new Int32Array(new SharedArrayBuffer(4))
    for (;;) {
      const end = performance.now() + 5
      while (performance.now() < end);
      Atomics.wait(pause, 0, 0, 5)
    }`
  return spawn(process.execPath, ['-e', program], { stdio: 'inherit' })
}

/** Runs a peer on steady work; `window` tells its tokens per second over the next while. */
async function startPeer([script, args]) {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], {
    env: { ...process.env, BENCH_WORK: 'steady' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let tokens = 0
  let started
  const ready = new Promise((resolve, reject) => {
    started = resolve
    child.once('exit', code => reject(new Error(`${script} ended with ${code}`)))
  })
  ready.catch(() => {})
  child.stdout.on('data', data => {
    tokens += data.length // a byte for each, see `steady` in workload.mjs
    started()
  })
  await ready
  const window = async () => {
    const [before, startedAt] = [tokens, performance.now()]
    await new Promise(resolve => setTimeout(resolve, WINDOW_MS))
    return (tokens - before) / ((performance.now() - startedAt) / 1000)
  }
  return { window, stop: () => child.kill('SIGKILL') }
}

async function measurePeer(peer) {
  const { window, stop } = await startPeer(peer)
  const samples = { alone: [], shared: [] }
  try {
    await window()
    for (let round = 0; round < rounds; round += 1) {
      samples.alone.push(await window())
      const other = startHalfACore()
      try {
        await new Promise(resolve => other.once('spawn', resolve))
        samples.shared.push(await window())
      } finally {
        other.kill('SIGKILL')
      }
    }
  } finally {
    stop()
  }
  const [alone, shared] = [median(samples.alone), median(samples.shared)]
  return {
    alone_tokens_per_second: Math.round(alone * 10) / 10,
    shared_tokens_per_second: Math.round(shared * 10) / 10,
    shared_of_alone: Math.round((shared / alone) * 1000) / 1000,
  }
}

const cores = availableParallelism()
const peers = {}
for (const peer of setUp()) peers[peer[0].replace('.mjs', '')] = await measurePeer(peer)
report('shared-machine', {
  unit: 'tokens per second of one stream, alone and beside a process that takes half a core, medians of rounds',
  weights,
  threads,
  rounds,
  fair_share: Math.round(((cores - 0.5) / cores) * 1000) / 1000,
  peers,
})
