// The engine on each framework against a bare Python loop over the same runner, and against transformers' `generate`: 16
// sequences at once, greedy, float32, in turns. The environments are those of `npm run test:frameworks`; what has none is left
// out with its reason. The model is SmolLM2-135M where `npm test` has fetched it, else the bundled one.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { LLM, registerPlugin } from 'quire-llm'
import { median, report } from '../engine/result-file.mjs'

const TOKENS = 48
const ROUNDS = 3
const SEQUENCES = 16
const PROMPT = 16
const THREADS = 2

const inRoot = path => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const smollm = inRoot('.cache/models/smollm2-135m-instruct')
const model = existsSync(`${smollm}/model.safetensors`) ? smollm : inRoot('ts/assets/tiny-model')
process.env.QUIRE_HOME ??= inRoot('.cache')
const pythonOf = name => inRoot(`.cache/python/${name}/bin/python`)

/** A Python program that answers each line with the figure of one round. */
async function program(python, script, scriptArguments, pythonPath) {
  const env = { ...process.env, PYTHONPATH: pythonPath.join(delimiter) }
  const child = spawn(python, [inRoot(`benches/frameworks/${script}`), ...scriptArguments], {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const answer = async () => {
    for (;;) {
      const { done, value } = await lines.next()
      if (done) throw new Error(`${script} ended`)
      if (value.startsWith('{')) return JSON.parse(value)
    }
  }
  await answer()
  return {
    round: async () => {
      child.stdin.write('\n')
      return (await answer()).tokens_per_second
    },
    close: () => child.kill(),
  }
}

async function engine(framework) {
  const llm = await LLM.create({
    model,
    framework,
    dtype: 'float32',
    threads: THREADS,
    maxNumSeqs: SEQUENCES,
    maxNumBatchedTokens: 256,
    maxModelLen: 256,
    numBlocks: 512,
    enablePrefixCaching: false,
    loadTokenizer: false,
  })
  const prompts = Array.from({ length: SEQUENCES }, (_, index) =>
    Array.from({ length: PROMPT }, (_, at) => ((7 * index + at) % 200) + 3),
  )
  const run = tokens =>
    llm.generate(prompts, { temperature: 0, maxTokens: tokens, ignoreEos: true }, { progress: false })
  await run(8)
  return {
    round: async () => {
      const startedAt = performance.now()
      await run(TOKENS)
      return (SEQUENCES * TOKENS) / ((performance.now() - startedAt) / 1000)
    },
    close: () => llm.close(),
  }
}

/** Medians of a figure each, taken in turns. */
async function inTurns(contenders) {
  const samples = contenders.map(() => [])
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, contender] of contenders.entries()) samples[index].push(await contender.round())
  }
  for (const contender of contenders) await contender.close()
  return samples.map(median)
}

const figures = {}
for (const name of ['torch', 'jax', 'mindspore']) {
  const { plugin } = await import(`@quire-llm/${name}`)
  registerPlugin(plugin)
  const { available, reason } = await plugin.probe()
  if (!available) {
    figures[name] = { skipped: reason }
    continue
  }
  const paths = [inRoot(`plugins/${name}/python`), inRoot('plugins/_python-worker/python')]
  const bare = await program(pythonOf(name), 'bare_loop.py', [`quire_${name}`, model, TOKENS, THREADS], paths)
  const [onEngine, onLoop] = await inTurns([await engine(name), bare])
  figures[name] = {
    engine: Math.round(onEngine),
    bare_loop: Math.round(onLoop),
    ratio: Number((onEngine / onLoop).toFixed(3)),
  }
}
if (existsSync(pythonOf('torch'))) {
  try {
    const generate = await program(pythonOf('torch'), 'transformers_generate.py', [model, TOKENS, THREADS], [])
    const [onTorch, onCandle, onTransformers] = await inTurns([await engine('torch'), await engine('candle'), generate])
    figures.transformers_generate = Math.round(onTransformers)
    figures.torch_over_transformers = Number((onTorch / onTransformers).toFixed(2))
    figures.candle_over_transformers = Number((onCandle / onTransformers).toFixed(2))
  } catch (error) {
    figures.transformers_generate = { skipped: error.message }
  }
}
report('frameworks', {
  unit: 'output tokens per second, 16 sequences at once, float32',
  model: model === smollm ? 'SmolLM2-135M-Instruct' : 'the bundled model',
  tokens_each: TOKENS,
  rounds: ROUNDS,
  ...figures,
})
