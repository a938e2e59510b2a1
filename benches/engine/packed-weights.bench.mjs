// What packed weights on disk change: the time from process start to the first token of a 16-token prompt, tokens of one stream after
// it, and the memory of the process, without a folder, on the first start with one and on the next. All files are in the system's cache.
//
//     node benches/engine/packed-weights.bench.mjs --model FILE[=q4_k][,FILE] [--rounds 5] [--output]

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LLM } from 'quire-llm'
import { median, report } from './result-file.mjs'

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    quantization: { type: 'string', default: 'auto' },
    rounds: { type: 'string', default: '5' },
    tokens: { type: 'string', default: '64' },
    folder: { type: 'string' },
    child: { type: 'boolean', default: false },
    output: { type: 'boolean', default: false },
  },
})

if (values.child) await start()
else compare()

/** One process: its figures as a line of JSON. */
async function start() {
  const llm = await LLM.create({
    model: values.model,
    quantization: values.quantization,
    ...(values.folder !== undefined && { packedWeightsCache: values.folder }),
    threads: 2,
    maxModelLen: 512,
    maxNumSeqs: 8,
    numBlocks: 64,
    loadTokenizer: false,
  })
  const promptTokenIds = Array.from({ length: 16 }, (_, index) => 1000 + index * 37)
  const generate = maxTokens =>
    llm.generate({ promptTokenIds }, { temperature: 0, maxTokens, ignoreEos: true, detokenize: false })
  await generate(1)
  const firstTokenMs = performance.now()
  const tokens = Number(values.tokens)
  await generate(8)
  const startedAt = performance.now()
  await generate(tokens)
  const tokensPerSecond = tokens / ((performance.now() - startedAt) / 1000)
  const memory = memoryOfProcess()
  await llm.close()
  const figures = {
    first_token_ms: firstTokenMs,
    tokens_per_second: tokensPerSecond,
    closed_ms: performance.now(),
    ...memory,
  }
  console.log(JSON.stringify(figures))
}

/** Resident memory in MB: of the process alone, of mapped files, and the most there was of both. */
function memoryOfProcess() {
  const status = readFileSync('/proc/self/status', 'utf8')
  const megabytes = field => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1000
  return { own_mb: megabytes('RssAnon'), mapped_mb: megabytes('RssFile'), peak_mb: megabytes('VmHWM') }
}

function compare() {
  if (values.model === undefined)
    throw new Error('--model names one or more files or folders, each with a quantization or without')
  const models = {}
  for (const model of values.model.split(',')) {
    const [path, quantization = 'auto'] = model.split('=')
    models[`${basename(path)}, ${quantization}`] = compareOne(path, quantization)
  }
  report('packed-weights', { rounds: Number(values.rounds), threads: 2, tokens: Number(values.tokens), models })
}

function compareOne(model, quantization) {
  const root = mkdtempSync(join(tmpdir(), 'packed-weights-'))
  const folder = join(root, 'packed')
  const runs = { without: [], first: [], next: [] }
  try {
    measure(model, quantization)
    for (let round = 0; round < Number(values.rounds); round += 1) {
      rmSync(folder, { recursive: true, force: true })
      runs.without.push(measure(model, quantization))
      runs.first.push(measure(model, quantization, folder))
      runs.next.push(measure(model, quantization, folder))
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
  return Object.fromEntries(Object.entries(runs).map(([name, samples]) => [name, mediansOf(samples)]))
}

function measure(model, quantization, folder) {
  const args = ['--child', '--model', model, '--quantization', quantization, '--tokens', values.tokens]
  const place = folder === undefined ? [] : ['--folder', folder]
  const line = execFileSync(process.execPath, [fileURLToPath(import.meta.url), ...args, ...place], { encoding: 'utf8' })
  return JSON.parse(line)
}

function mediansOf(samples) {
  return Object.fromEntries(
    Object.keys(samples[0]).map(name => [name, Math.round(median(samples.map(sample => sample[name])) * 10) / 10]),
  )
}
