// `npm run bench -- browser`: Quire, wllama and transformers.js one after the other in headless Chromium, each in a fresh browser,
// on the same weights, in float and quantised, with one thread and with two. Prints every run; with `--output` the medians go to
// benches/results/browser.json.
//
//     node benches/browser/run.mjs [--output] [--models a,b] [--peers quire,wllama] [--threads 1,2] [--rounds 3] [--passes 1]
//         [--quire a folder like ts/] [--note what the result should say of itself]

import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { median, report } from '../engine/result-file.mjs'
import { findChromium, runPage } from './bench-browser.mjs'
import { modelsIn } from './models.mjs'
import { installPackages, makeGguf, makeOnnx, versions } from './peers.mjs'
import { openSite } from './static-site.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const repository = join(here, '../..')
const cache = join(repository, '.cache/browser-peers')
const torch = join(repository, '.cache/python/torch/lib/python3.11/site-packages')
const models = modelsIn({
  shared: process.env.QUIRE_SHARED ?? join(repository, '../shared'),
  models: process.env.QUIRE_TEST_MODELS ?? join(repository, '.cache/models'),
})

const { values } = parseArgs({
  options: {
    output: { type: 'boolean' },
    models: { type: 'string', default: models.map(({ name }) => name).join() },
    peers: { type: 'string', default: 'quire,wllama,transformers' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '3' },
    passes: { type: 'string', default: '1' },
    quire: { type: 'string', default: join(repository, 'ts') },
    note: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const passes = Number(values.passes)

/** Prompts at once. */
const MANY_PROMPTS = 16
const TIMEOUT_MS = 600_000

/** What each peer runs on a model. May throw: what it needs cannot be had. */
const PEERS = {
  quire: model => [
    ...model.dtypes.map(dtype => ({
      label: `quire ${dtype}`,
      page: 'quire.js',
      options: { dtype, model: `/${model.name}/` },
    })),
    ...blocksOf(model, 'quire', url => ({ page: 'quire.js', options: { model: url } })),
  ],
  wllama: model => {
    makeGguf({ cache, here, model })
    const page = 'wllama.js'
    return [
      { label: 'wllama float16', page, options: { gguf: `/gguf/${model.name}.gguf` } },
      ...blocksOf(model, 'wllama', gguf => ({ page, options: { gguf } })),
    ]
  },
  transformers: model => {
    makeOnnx({ cache, here, model, torch })
    return [{ label: 'transformers.js float32', page: 'transformers.js', options: { onnx: model.name } }]
  },
}

/** The same model quantised, where there is its file. */
function blocksOf({ name, blocks }, peer, plan) {
  if (blocks === undefined) return []
  const label = `${peer} ${blocks.format}`
  if (existsSync(blocks.path)) return [{ label, ...plan(`/${name}-blocks/${basename(blocks.path)}`) }]
  console.error(`SKIPPED ${label} on ${name}: there is no ${blocks.path}`)
  return []
}

function plansOf(peer, model) {
  try {
    return PEERS[peer](model)
  } catch (error) {
    console.error(`SKIPPED ${peer} on ${model.name}: ${error.message}`)
    return []
  }
}

const executablePath = findChromium()
if (executablePath === undefined) throw new Error('There is no Chromium: set QUIRE_CHROMIUM, or put one on the PATH.')
const chosen = models.filter(({ name, path }) => {
  if (!values.models.split(',').includes(name)) return false
  if (existsSync(join(path, 'model.safetensors'))) return true
  console.error(`SKIPPED ${name}: there are no weights in ${path}`)
  return false
})
const folders = {
  page: join(here, 'page'),
  quire: values.quire,
  peers: installPackages(cache),
  gguf: join(cache, 'gguf'),
  onnx: join(cache, 'onnx'),
  ...Object.fromEntries(chosen.map(({ name, path }) => [name, path])),
  ...Object.fromEntries(
    chosen.flatMap(({ name, blocks }) => (blocks ? [[`${name}-blocks`, dirname(blocks.path)]] : [])),
  ),
}
const site = await openSite(folders)
const rows = []
for (const model of chosen) {
  const plans = values.peers.split(',').flatMap(peer => plansOf(peer, model))
  const samples = new Map()
  // The peers in turn, so that whatever else the machine does falls on all of them.
  for (let pass = 0; pass < passes; pass += 1) {
    for (const threads of values.threads.split(',').map(Number)) {
      for (const { label, page, options } of plans) {
        const figures = await runPage({
          executablePath,
          siteUrl: site.url,
          page,
          options: { rounds, ...model.workload, manyPrompts: MANY_PROMPTS, contextTokens: 512, threads, ...options },
          timeoutMs: TIMEOUT_MS,
        }).catch(error => ({ failure: String(error.message).split('\n')[0] }))
        console.error(model.name, label, `threads ${threads}`, JSON.stringify(figures))
        const key = JSON.stringify({ model: model.name, peer: label, threads })
        samples.set(key, [...(samples.get(key) ?? []), figures])
      }
    }
  }
  for (const [key, runs] of samples) rows.push({ ...JSON.parse(key), ...medianOf(runs) })
}
site.close()
report('browser', {
  of: `tokens/s in headless Chromium, cross-origin isolated; one prompt and ${MANY_PROMPTS} at once: new tokens over the whole time, prompts included; long_tasks: of the page's thread while it generates, where transformers.js computes; wllama ${versions.wllama}, transformers.js ${versions.transformers}`,
  ...(values.note !== undefined && { note: values.note }),
  rounds,
  passes,
  rows,
})

function medianOf(runs) {
  const [failed] = runs.filter(({ failure }) => failure !== undefined)
  if (failed !== undefined) return failed
  const all = name => runs.flatMap(run => run[name])
  const rounded = list => (list.length === 0 ? null : Math.round(median(list) * 10) / 10)
  return {
    prompt_tokens: runs[0].prompt_tokens,
    load_ms: rounded(all('load_ms')),
    prefill_tokens_per_second: rounded(all('prefill')),
    decode_tokens_per_second: rounded(all('decode')),
    one_tokens_per_second: rounded(all('one')),
    many_tokens_per_second: rounded(all('many')),
    many_over_one: rounded(runs.flatMap(({ one, many }) => many.map((rate, round) => rate / one[round]))),
    peak_mb: rounded(all('peak_mb')),
    long_tasks: rounded(all('long_tasks')),
    longest_task_ms: rounded(all('longest_task_ms')),
  }
}
