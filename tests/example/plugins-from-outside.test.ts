// Plugins that nobody here wrote, as far as the engine knows: packed, installed into an empty app, found there, conformant,
// and giving the tokens that transformers gives. One is Python (NumPy), one plain JavaScript.

import test from 'ava'
import { python, withoutPython } from '../wire/python.js'
import { fixture, type GoldenFolder, sharedModel } from './golden-folders.js'
import { type Finished, PackedApp, succeeded } from './packed-app.js'

interface Outsider {
  readonly name: string
  /** What the app depends on beside Quire: names of this repository's packages, and the folder of the plugin. */
  readonly packages: readonly string[]
  readonly origin: string
  readonly env: Readonly<Record<string, string>>
  readonly models: readonly GoldenFolder[]
  /** What is packed, in order. */
  readonly files: readonly string[]
  /** Why it cannot run here. */
  readonly missing?: string | undefined
}

const stories = sharedModel('stories260K')
const shared = stories === undefined ? [] : [stories]
const numpyFolder = 'examples/plugin-numpy'
const pythonFiles = ['__init__', 'attention', 'decoder', 'framework', 'probe', 'runner', 'worker']

const outsiders: readonly Outsider[] = [
  {
    name: 'numpy',
    packages: ['@quire-llm/python-worker', numpyFolder],
    origin: 'quire-plugin-numpy',
    env: { QUIRE_PYTHON: python ?? '', OPENBLAS_NUM_THREADS: '1' },
    models: [...['llama_gqa', 'gpt2', 'opt_post_norm', 'qwen3_window'].map(fixture), ...shared],
    files: [
      ...['README.md', 'index.js', 'package.json'],
      ...pythonFiles.map(name => `python/quire_numpy/${name}.py`),
      'requirements.txt',
    ],
    missing: python === undefined ? withoutPython : undefined,
  },
  {
    name: 'javascript',
    packages: ['tests/fixtures/plugin-javascript'],
    origin: 'quire-plugin-javascript',
    env: {},
    models: [...['llama_gqa', 'llama_bf16'].map(fixture), ...shared],
    files: ['framework.js', 'index.js', 'llama.js', 'package.json', 'runner.js', 'safetensors.js'],
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
  await llm.close()
`

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

const appOf = new Map<string, Promise<PackedApp>>()
for (const { name, packages } of outsiders) {
  const app = PackedApp.create(packages)
  app.catch(() => {}) // told by the first test that awaits it
  appOf.set(name, app)
  test.after.always(`${name}: the app is removed`, async () => (await app).remove())
}

for (const { name, origin, files } of outsiders) {
  test.serial(`${name}: what is packed is what it needs`, async t => {
    const app = (await appOf.get(name)) as PackedApp
    t.deepEqual(
      app.packed(origin).filter(file => file !== 'LICENSE'),
      files,
    )
  })
}

for (const { name, origin, env, models, missing } of outsiders) {
  if (missing !== undefined) {
    test.skip(`${name}: ${missing}`, () => {})
    continue
  }
  test.serial(`${name}: it is found in the app, and says who it is`, async t => {
    const app = (await appOf.get(name)) as PackedApp
    const told = succeeded(await app.command('quire-llm/bin/quire.js', ['info'], env))
    t.regex(told, new RegExp(`^  ${name} \\S+ \\(${origin}, priority 1\\): available on cpu:0$`, 'm'))
    const doctor = succeeded(await app.command('quire-llm/bin/quire.js', ['doctor'], env))
    t.regex(doctor, new RegExp(`^selected +${name} on cpu:0`, 'm'))
  })

  for (const model of models) {
    test.serial(`${name}: ${model.name} gives the golden tokens through the whole engine`, async t => {
      const app = (await appOf.get(name)) as PackedApp
      const { framework, tokens } = lastLine(await app.node(generate, { ...env, MODEL: JSON.stringify(model) }))
      t.is(framework, name, 'installed, it is chosen without being named')
      t.deepEqual(
        tokens,
        model.cases.map(one => one.outputTokenIds),
      )
    })
  }

  test.serial(`${name}: it is conformant`, async t => {
    const app = (await appOf.get(name)) as PackedApp
    const source = conformance.replace('ORIGIN', JSON.stringify(origin))
    const report = succeeded(await app.node(source, { ...env, MODELS: JSON.stringify(models) }))
    t.log(report)
    t.regex(report, /, 0 failed, /)
  })
}

test.serial('numpy: `quire setup` installs what the plugin requires', async t => {
  const app = (await appOf.get('numpy')) as PackedApp
  const env = { QUIRE_HOME: app.folder }
  const told = succeeded(await app.command('quire-llm/bin/quire.js', ['setup', 'numpy', '--dry-run'], env))
  t.regex(told, /install .*-r \S*quire-plugin-numpy\/requirements\.txt$/m)
})

test.serial('numpy: where there is no Python, the same program runs on the embedded default', async t => {
  const app = (await appOf.get('numpy')) as PackedApp
  const env = { QUIRE_PYTHON: '/nowhere/python' }
  const told = succeeded(await app.command('quire-llm/bin/quire.js', ['info'], env))
  t.regex(
    told,
    /^ {2}numpy \(quire-plugin-numpy, priority 1\): not available: No Python with numpy .* unset QUIRE_PYTHON/m,
  )
  const model = fixture('llama_gqa')
  const { framework, tokens } = lastLine(await app.node(generate, { ...env, MODEL: JSON.stringify(model) }))
  t.is(framework, 'candle')
  t.deepEqual(
    tokens,
    model.cases.map(one => one.outputTokenIds),
  )
})
