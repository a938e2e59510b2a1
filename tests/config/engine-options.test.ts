// Engine options: every impossible value is refused with the option named; model paths that are no models have their code.

import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { type CreateOptions, InvalidArgumentError, LLM } from 'quire-llm'

const refused: readonly [CreateOptions, string][] = [
  [{ model: '' }, 'model'],
  [{ model: 5 as unknown as string }, 'model'],
  [{ dtype: 'int3' as 'auto' }, 'dtype'],
  [{ quantization: 8 as unknown as string }, 'quantization'],
  [{ kvCacheDtype: 8 as unknown as string }, 'kvCacheDtype'],
  [{ device: 'toaster' }, 'device'],
  [{ threads: 0 }, 'threads'],
  [{ maxModelLen: 1 }, 'maxModelLen'],
  [{ blockSize: 0 }, 'blockSize'],
  [{ numBlocks: 1 }, 'numBlocks'],
  [{ kvCacheMemoryBytes: Number.NaN }, 'kvCacheMemoryBytes'],
  [{ memoryUtilization: 0 }, 'memoryUtilization'],
  [{ memoryUtilization: 1.1 }, 'memoryUtilization'],
  [{ maxNumSeqs: 0 }, 'maxNumSeqs'],
  [{ maxNumBatchedTokens: 8, maxNumSeqs: 16 }, 'maxNumBatchedTokens'],
  [{ schedulingPolicy: 'random' as 'fcfs' }, 'schedulingPolicy'],
  [{ seed: 0.5 }, 'seed'],
  [{ modle: 'x' } as CreateOptions, 'modle'],
]

for (const [options, parameter] of refused) {
  test(`refused: ${JSON.stringify(options, (_key, value) => (Number.isNaN(value) ? 'NaN' : value))}`, async t => {
    const error = await t.throwsAsync(LLM.create(options), { instanceOf: InvalidArgumentError })
    t.is(error?.parameter, parameter)
  })
}

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'quire-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

const brokenModels: readonly [string, () => string, string, RegExp][] = [
  ['no such directory', () => '/nowhere/at/all', 'ERR_MODEL_NOT_FOUND', /no model directory/],
  ['a directory without config.json', () => folderWith({}), 'ERR_MODEL_NOT_FOUND', /no config\.json/],
  ['a config.json that is not JSON', () => folderWith({ 'config.json': '{' }), 'ERR_MODEL_INVALID', /not valid JSON/],
  [
    'a config.json without architectures',
    () => folderWith({ 'config.json': '{}' }),
    'ERR_MODEL_INVALID',
    /names no architecture/,
  ],
  [
    'an architecture that nobody knows',
    () => folderWith({ 'config.json': '{"architectures":["MartianForCausalLM"]}' }),
    'ERR_MODEL_UNSUPPORTED',
    /MartianForCausalLM is not supported\. Supported: .*LlamaForCausalLM/,
  ],
  [
    'an architecture that nobody knows, in JSON with words of Python',
    () => folderWith({ 'config.json': '{"time_step_limit":[0.0,Infinity],"architectures":["Martian2ForCausalLM"]}' }),
    'ERR_MODEL_UNSUPPORTED',
    /Martian2ForCausalLM is not supported/,
  ],
]

for (const [name, make, code, message] of brokenModels) {
  test(`model refused: ${name}`, async t => {
    await t.throwsAsync(LLM.create({ model: make() }), { code, message })
  })
}
