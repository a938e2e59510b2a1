// The 1B Llama shape with random weights, in bfloat16, Q8_0 and Q4_0: Quire, llama.cpp as it was built, and node-llama-cpp, one after
// the other on the same GGUF file, in one run.
//
//     node benches/peers/llama-1b.mjs [--llama-bin FOLDER] [--only bf16,q8_0,q4_0] [--rounds 1] [--output] [--as peers-1b]

import { createReadStream, existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { here, installNodeLlamaCpp, models, packages, repository, run } from './peers.mjs'
import { LLAMA_1B, writeRandomCheckpoint } from './random-checkpoint.mjs'
import { median, writeResult } from './result.mjs'

const { values } = parseArgs({
  options: {
    'llama-bin': { type: 'string' },
    only: { type: 'string', default: 'bf16,q8_0,q4_0' },
    rounds: { type: 'string', default: '1' },
    output: { type: 'boolean', default: false },
    as: { type: 'string', default: 'peers-1b' },
  },
})
const rounds = Number(values.rounds)
// Half of what small models are given: a gigabyte is read for each token.
const env = { ...process.env, BENCH_DECODE_TOKENS: process.env.BENCH_DECODE_TOKENS ?? '64' }

installNodeLlamaCpp()
const weights = {}
for (const type of values.only.split(',')) {
  const file = fileOf(type)
  // All start with the file in the system's cache, whoever is first.
  for await (const _ of createReadStream(file, { highWaterMark: 1 << 24 }));
  const samples = new Map()
  for (let round = 0; round < rounds; round += 1) {
    for (const [script, args] of peersOf(file)) {
      const line = run(process.execPath, [join(here, script), ...args], { env })
      const { peer, ...sample } = JSON.parse(line.trim().split('\n').at(-1))
      samples.set(peer, [...(samples.get(peer) ?? []), sample])
      console.log(JSON.stringify({ weights: type, peer, ...sample }))
    }
  }
  weights[type] = Object.fromEntries([...samples].map(([peer, list]) => [peer, mediansOf(list)]))
  console.table(weights[type])
}
if (values.output) {
  const threads = Number(process.env.BENCH_THREADS ?? 2)
  const of =
    'tokens per second: prefill of 512, one stream after them, all new tokens of 16 streams of 128 over the whole time'
  writeResult(values.as, { of, threads, rounds, decode_tokens: Number(env.BENCH_DECODE_TOKENS), weights })
}

function mediansOf(list) {
  const names = Object.keys(list[0])
  return Object.fromEntries(names.map(name => [name, Math.round(median(list.map(s => s[name])) * 10) / 10]))
}

function peersOf(file) {
  const bin = values['llama-bin']
  const built = bin === undefined ? [] : [['llama-cpp.mjs', [file, bin]]]
  return [['quire.mjs', [file]], ...built, ['node-llama-cpp.mjs', [file, packages]]]
}

/** The file of this type, made once by `quire quantize`. */
function fileOf(type) {
  const file = join(packages, `llama-1b-${type}.gguf`)
  if (existsSync(file)) return file
  const folder = join(packages, 'llama-1b')
  if (!existsSync(folder)) {
    const texts = join(models, 'smollm2-135m-instruct')
    if (!existsSync(texts)) throw new Error('The tokenizer is not here: `npm test` or tests/fetch-models brings it.')
    const partial = `${folder}.partial`
    rmSync(partial, { recursive: true, force: true })
    writeRandomCheckpoint(partial, LLAMA_1B, texts)
    renameSync(partial, folder)
  }
  run(process.execPath, [join(repository, 'ts/bin/quire.js'), 'quantize', folder, file, '--type', type])
  return file
}
