// Which peers are measured, on which weights, and how they come here.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const here = dirname(fileURLToPath(import.meta.url))
export const repository = resolve(here, '../..')
const cache = join(repository, '.cache')
export const packages = join(cache, 'peers')
export const models = join(cache, 'models')
/** `bf16`, or `q4_1`: the file that was fetched, as it is. */
export const weights = process.env.BENCH_WEIGHTS ?? 'bf16'

export const run = (command, args, options = {}) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })

/** Installs the peer that comes from npm, if it is not here. */
export function installNodeLlamaCpp() {
  mkdirSync(packages, { recursive: true })
  if (existsSync(join(packages, 'node_modules/node-llama-cpp'))) return
  writeFileSync(join(packages, 'package.json'), '{"private":true}')
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', 'node-llama-cpp@3.22.1'], { cwd: packages })
}

/** Brings what is missing; the peers' scripts with their arguments. */
export function setUp() {
  if (!['bf16', 'q4_1'].includes(weights)) throw new Error(`BENCH_WEIGHTS is bf16 or q4_1, not ${weights}.`)
  const source = join(models, 'smollm2-135m-instruct.Q4_1.gguf')
  const model = join(models, 'smollm2-135m-instruct-bf16')
  const gguf = weights === 'bf16' ? join(packages, 'smollm2-135m-instruct-bf16.gguf') : source
  if (!existsSync(join(model, 'model.safetensors')) || !existsSync(source)) {
    throw new Error('The weights are not here: `npm test` or tests/fetch-models brings them.')
  }
  installNodeLlamaCpp()
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
