// llama.cpp as it was built, by its own benches, on the workload of the others: prefill of 512 tokens, one stream after them, 16
// streams of 128 tokens and more. Prints one JSON line.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { decodeTokens, threads } from './workload.mjs'

const [model, bin] = process.argv.slice(2)

const run = (program, args) =>
  execFileSync(join(bin, program), ['-m', model, '-t', String(threads), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, LD_LIBRARY_PATH: [bin, process.env.LD_LIBRARY_PATH ?? ''].join(':') },
  })

const rateOf = rows => rows.find(row => Number.isFinite(row.avg_ts)).avg_ts
const bench = args => rateOf(JSON.parse(run('llama-bench', ['-r', '1', '-o', 'json', ...args])))
const prefill = bench(['-p', '512', '-n', '0'])
const decode = bench(['-p', '0', '-n', String(decodeTokens), '-d', '512'])

const streams = 16
const shape = ['-npp', '128', '-ntg', String(decodeTokens), '-npl', String(streams)]
const context = String(streams * (128 + decodeTokens))
const output = run('llama-batched-bench', [...shape, '-c', context, '-b', '512', '--output-format', 'jsonl'])
const row = output
  .split('\n')
  .filter(line => line.startsWith('{'))
  .map(line => JSON.parse(line))
  .at(-1)

console.log(
  JSON.stringify({
    peer: 'llama.cpp',
    prefill_tokens_per_second: prefill,
    decode_tokens_per_second: decode,
    streams16_tokens_per_second: (streams * decodeTokens) / row.t,
  }),
)
