// Plugins that nobody here wrote, as far as the engine knows: packed, installed into an empty app, found there, conformant,
// and giving the tokens that transformers gives. One is Python (NumPy), one plain JavaScript.

import test from 'ava'
import { fixture, type GoldenFolder, sharedModel } from './golden-folders.js'
import { numpyInterpreter, withoutNumpy } from './numpy-interpreter.js'
import { type Finished, PackedApp, succeeded } from './packed-app.js'

interface Outsider {
  readonly name: string
  /** Folders of this repository that the app depends on, beside Quire. */
  readonly packages: readonly string[]
  readonly origin: string
  readonly env: Readonly<Record<string, string>>
  readonly models: readonly GoldenFolder[]
  /** Why it cannot be tried here. */
  readonly missing?: string
}

const stories = sharedModel('stories260K')
const shared = stories === undefined ? [] : [stories]

const outsiders: readonly Outsider[] = [
  {
    name: 'numpy',
    packages: ['plugins/_python-worker', 'examples/plugin-numpy'],
    origin: 'quire-plugin-numpy',
    env: { QUIRE_PYTHON: numpyInterpreter ?? '', OPENBLAS_NUM_THREADS: '1' },
    models: [...['llama_gqa', 'gpt2', 'opt_post_norm', 'qwen3_window'].map(fixture), ...shared],
    ...(numpyInterpreter === undefined && { missing: withoutNumpy }),
  },
  {
    name: 'javascript',
    packages: ['tests/fixtures/plugin-javascript'],
    origin: 'quire-plugin-javascript',
    env: {},
    models: [...['llama_gqa', 'llama_bf16'].map(fixture), ...shared],
  },
]

/** Prints the framework's name and the greedy ids of all prompts, run side by side in small chunks. */
const generate = `
  import { LLM, SamplingParams, framework } from 'quire-llm'
  const { path, cases } = JSON.parse(process.env.MODEL)
  const options = { model: path, dtype: 'float32', loadTokenizer: false, blockSize: 8, maxNumBatchedTokens: 32 }
  const llm = await LLM.create(options)
  const outputs = await llm.generate(
    cases.map(({ promptTokenIds }) => ({ promptTokenIds })),
    cases.map(one => new SamplingParams({ temperature: 0, maxTokens: one.outputTokenIds.length, ignoreEos: true })),
    { progress: false },
  )
  console.log(JSON.stringify({ framework: framework.name, tokens: outputs.map(({ outputs: [one] }) => one.tokenIds) }))
`
  .replace('await using llm', 'const llm')
  .concat('await llm.close()\n')

const conformance = `
  import { conformance, formatReport } from 'quire-llm/testing'
  import { plugin } from ORIGIN
  const report = await conformance(plugin, { models: JSON.parse(process.env.MODELS) })
  console.log(formatReport(report))
  process.exitCode = report.numFailed === 0 && report.numPassed > 0 ? 0 : 1
`

function lastLine(finished: Finished): { framework: string; tokens: number[][] } {
  return JSON.parse(succeeded(finished).trimEnd().split('\n').at(-1) ?? '') as { framework: string; tokens: number[][] }
}

for (const { name, packages, origin, env, models, missing } of outsiders) {
  if (missing !== undefined) {
    test.skip(`${name}: ${missing}`, () => {})
    continue
  }
  const app = PackedApp.create(['ts', 'plugins/candle-cpu', ...packages])
  app.catch(() => {}) // told by the first test that awaits it

  test.after.always(`${name}: the app is removed`, async () => (await app).remove())

  test.serial(`${name}: it is found in the app, and says who it is`, async t => {
    const told = succeeded(await (await app).command('quire-llm/bin/quire.js', ['info'], env))
    t.regex(told, new RegExp(`^  ${name} \\S+ \\(${origin}, priority 1\\): available on cpu:0$`, 'm'))
  })

  for (const model of models) {
    test.serial(`${name}: ${model.name} gives the golden tokens through the whole engine`, async t => {
      const finished = await (await app).node(generate, { ...env, MODEL: JSON.stringify(model) })
      const { framework, tokens } = lastLine(finished)
      t.is(framework, name, 'installed, it is chosen without being named')
      t.deepEqual(
        tokens,
        model.cases.map(one => one.outputTokenIds),
      )
    })
  }

  test.serial(`${name}: it is conformant`, async t => {
    const source = conformance.replace('ORIGIN', JSON.stringify(origin))
    const report = succeeded(await (await app).node(source, { ...env, MODELS: JSON.stringify(models) }))
    t.log(report)
    t.regex(report, /, 0 failed, /)
  })
}

if (numpyInterpreter !== undefined) {
  test.serial('numpy: without a Python the same program runs on the embedded default, and says why', async t => {
    const app = await PackedApp.create(['ts', 'plugins/candle-cpu', 'plugins/_python-worker', 'examples/plugin-numpy'])
    try {
      const model = fixture('llama_gqa')
      const env = { QUIRE_PYTHON: '/nowhere/python', MODEL: JSON.stringify(model) }
      const finished = await app.node(generate, env)
      t.is(lastLine(finished).framework, 'candle')
      t.regex(finished.stderr, /quire-plugin-numpy.*cannot run here: .*QUIRE_PYTHON/)
    } finally {
      await app.remove()
    }
  })
}
