// Runs the peers in turn, several rounds, and writes the medians with date, machine and commit.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const repository = resolve(here, '../..')
const cache = join(repository, '.cache')
const packages = join(cache, 'peers')
const models = join(cache, 'models')
const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
/** `bf16`, or `q4_1`: the file that was fetched, as it is. */
const weights = process.env.BENCH_WEIGHTS ?? 'bf16'

const run = (command, args, options = {}) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })

function setUp() {
  if (!['bf16', 'q4_1'].includes(weights)) throw new Error(`BENCH_WEIGHTS is bf16 or q4_1, not ${weights}.`)
  mkdirSync(packages, { recursive: true })
  const source = join(models, 'smollm2-135m-instruct.Q4_1.gguf')
  const model = join(models, 'smollm2-135m-instruct-bf16')
  const gguf = weights === 'bf16' ? join(packages, 'smollm2-135m-instruct-bf16.gguf') : source
  if (!existsSync(join(model, 'model.safetensors')) || !existsSync(source)) {
    throw new Error('The weights are not here: `npm test` or tests/fetch-models brings them.')
  }
  if (!existsSync(join(packages, 'node_modules/node-llama-cpp'))) {
    writeFileSync(join(packages, 'package.json'), '{"private":true}')
    run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', 'node-llama-cpp@3.22.1'], { cwd: packages })
  }
  if (!existsSync(gguf)) {
    run('python3', ['-m', 'venv', join(packages, 'venv')])
    run(join(packages, 'venv/bin/pip'), ['install', '-q', 'gguf==0.19.0', 'numpy<3'])
    run(join(packages, 'venv/bin/python'), [join(here, 'write-gguf.py'), source, model, gguf])
  }
  return [
    ['quire.mjs', [weights === 'bf16' ? model : source]],
    ['node-llama-cpp.mjs', [gguf, packages]],
  ]
}

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
