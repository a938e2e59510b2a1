// Which framework is chosen, and what is said where none can be.

import test from 'ava'
import { PluginError } from '../../ts/src/errors.js'
import type { Candidate } from '../../ts/src/plugin/candidates.js'
import type { Device } from '../../ts/src/plugin/index.js'
import { chooseCandidate, passedOverMessage, type SelectionOptions } from '../../ts/src/plugin/selection.js'
import { candidate, cpu, npu } from './fake-frameworks.js'

const embedded = candidate({ name: 'candle', kind: 'embedded', priority: 0 })
const torch = candidate({ name: 'torch', priority: 20, architectures: ['LlamaForCausalLM', 'OPTForCausalLM'] })
const mindspore = candidate({ name: 'mindspore', priority: 30, devices: [npu, cpu] })
const reader = candidate({ name: 'reader', kind: 'embedded', priority: 0, weightFormats: ['gguf'] })
const jax = candidate({ name: 'jax', priority: 20 })
const absent = candidate({ name: 'paddle', priority: 90, reason: 'No Python with paddle was found' })
const zero = candidate({ name: 'zero', priority: 0 })
const negative = candidate({ name: 'negative', priority: -5 })
const twin = candidate({ name: 'torch', priority: 20, origin: 'another-torch' })
const broken = candidate({ name: 'future', broken: new PluginError('written for contract version 2') })
const brokenEmbedded = candidate({ name: 'candle', kind: 'embedded', broken: new PluginError('cannot be imported') })

type Asked = Partial<Omit<SelectionOptions, 'appDirectory'>>

async function choose(candidates: readonly Candidate[], asked: Asked = {}) {
  await Promise.resolve()
  return chooseCandidate(candidates, { env: {}, appDirectory: '/', ...asked })
}

const device = ({ kind, index }: Device): string => `${kind}:${index}`

const choices: readonly [string, readonly Candidate[], Asked, string][] = [
  ['the embedded default alone', [embedded], {}, 'candle on cpu:0'],
  ['an installed plugin before the embedded default', [embedded, torch], {}, 'torch on cpu:0'],
  ['the highest priority', [embedded, torch, mindspore], {}, 'mindspore on npu:0'],
  ['an installed plugin of the same priority as the embedded default', [embedded, zero], {}, 'zero on cpu:0'],
  ['an installed plugin of lower priority than the embedded default', [negative, embedded], {}, 'negative on cpu:0'],
  ['one that is available before one that is not', [absent, torch, embedded], {}, 'torch on cpu:0'],
  ['the embedded default where no other can run', [absent, embedded], {}, 'candle on cpu:0'],
  [
    'the option before QUIRE_FRAMEWORK',
    [torch, mindspore],
    { framework: 'torch', env: { QUIRE_FRAMEWORK: 'mindspore' } },
    'torch on cpu:0',
  ],
  [
    'QUIRE_FRAMEWORK before priorities',
    [torch, mindspore, embedded],
    { env: { QUIRE_FRAMEWORK: 'candle' } },
    'candle on cpu:0',
  ],
  ['an empty QUIRE_FRAMEWORK is none', [torch, embedded], { env: { QUIRE_FRAMEWORK: '' } }, 'torch on cpu:0'],
  ['a package name', [torch, twin], { framework: 'another-torch' }, 'torch on cpu:0'],
  ['one of two equals by its name', [torch, jax], { framework: 'jax' }, 'jax on cpu:0'],
  ['the device asked for', [mindspore, embedded], { device: cpu }, 'mindspore on cpu:0'],
  ['one that has the device', [torch, mindspore], { device: npu }, 'mindspore on npu:0'],
  ['one that has the architecture', [torch, mindspore], { architecture: 'OPTForCausalLM' }, 'torch on cpu:0'],
  ['the embedded default for a model type', [torch, embedded], { modelType: 'llama' }, 'candle on cpu:0'],
  ['one that reads the weights', [torch, reader], { weights: 'gguf' }, 'reader on cpu:0'],
  ['no other is hindered by one that is broken', [torch, broken], { framework: 'torch' }, 'torch on cpu:0'],
  ['an embedded default that cannot be imported hinders nobody', [torch, brokenEmbedded], {}, 'torch on cpu:0'],
]

for (const [title, candidates, asked, expected] of choices) {
  test(`chosen: ${title}`, async t => {
    const chosen = await choose(candidates, asked)
    t.is(`${chosen.plugin.name} on ${device(chosen.device)}`, expected)
  })
}

const refusals: readonly [string, readonly Candidate[], Asked, string, RegExp][] = [
  [
    'two equals',
    [torch, jax, embedded],
    {},
    'ERR_PLUGIN',
    /^Several frameworks have the same priority 20: torch \(@quire-llm\/torch\), jax \(@quire-llm\/jax\)\. Choose one/,
  ],
  [
    'two of one name',
    [torch, twin],
    { framework: 'torch' },
    'ERR_PLUGIN',
    /torch \(@quire-llm\/torch\), torch \(another-torch\)/,
  ],
  ['one that is broken', [torch, broken, embedded], {}, 'ERR_PLUGIN', /contract version 2/],
  ['one asked for that is broken', [broken, embedded], { framework: 'future' }, 'ERR_PLUGIN', /contract version 2/],
  [
    'a name that is not there',
    [torch, embedded],
    { framework: 'tinygrad' },
    'ERR_NO_FRAMEWORK',
    /No framework named 'tinygrad' is installed\. Known here: torch, candle\./,
  ],
  ['none', [], {}, 'ERR_NO_FRAMEWORK', /^No framework available for Quire in this environment\.\n$/],
  [
    'none is available',
    [absent, brokenEmbedded],
    {},
    'ERR_NO_FRAMEWORK',
    /^No framework available for Quire in this environment\.\n {2}- paddle \(@quire-llm\/paddle\): No Python with paddle was found\n {2}- candle \(@quire-llm\/candle\): /,
  ],
  [
    'one asked for that is not available',
    [absent, embedded],
    { framework: 'paddle' },
    'ERR_NO_FRAMEWORK',
    /^No framework available for Quire in this environment\.\n {2}- paddle .*: No Python/,
  ],
  [
    'a device that nobody has',
    [mindspore, embedded],
    { device: { kind: 'cuda', index: 1 } },
    'ERR_NO_FRAMEWORK',
    /mindspore .*: no device cuda:1 \(found: npu:0, cpu:0\)/,
  ],
  [
    'an architecture that nobody has',
    [torch, embedded],
    { architecture: 'MambaForCausalLM' },
    'ERR_MODEL_UNSUPPORTED',
    /MambaForCausalLM is not supported\. Supported: LlamaForCausalLM, OPTForCausalLM\.$/,
  ],
  [
    'a model type alone, of which a plugin says nothing',
    [torch, embedded],
    { framework: 'torch', modelType: 'llama' },
    'ERR_NO_FRAMEWORK',
    /torch .*: config\.json names no architecture, only the model type llama/,
  ],
  [
    'weights that it does not read',
    [torch, reader],
    { framework: 'torch', weights: 'gguf' },
    'ERR_MODEL_UNSUPPORTED',
    /^The model is a gguf file, which torch does not read\. Run it on the embedded framework/,
  ],
]

for (const [title, candidates, asked, code, message] of refusals) {
  test(`refused: ${title}`, async t => {
    await t.throwsAsync(choose(candidates, asked), { code, message })
  })
}

test('what decided is said, and who was passed over', async t => {
  t.is((await choose([torch, mindspore])).why, 'before the others, by its priority 30')
  t.is((await choose([torch, embedded], { framework: 'torch' })).why, 'asked for by the option `framework`')
  t.is((await choose([torch, embedded], { env: { QUIRE_FRAMEWORK: 'torch' } })).why, 'asked for by QUIRE_FRAMEWORK')
  const selection = await choose([absent, embedded])
  t.is(selection.why, 'the embedded default, since no other can run here')
  t.is((await choose([embedded])).why, 'the embedded default, with no other in reach')
  t.is((await choose([torch, absent])).why, 'the only installed one that can run here')
  t.is(
    passedOverMessage(selection),
    'paddle (@quire-llm/paddle) is installed but cannot run here: No Python with paddle was found\nRunning on candle.',
  )
  t.is(passedOverMessage(await choose([torch, embedded])), undefined)
  const lower = candidate({ name: 'lower', priority: 5, reason: 'not here' })
  t.deepEqual((await choose([torch, lower])).passedOver, [])
})
