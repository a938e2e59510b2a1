// Two engines on two frameworks in one process: each keeps its own instance, side by side.

import test from 'ava'
import { framework, LLM, registerPlugin } from '../../ts/src/index.js'
import { unregisterPlugin } from '../../ts/src/plugin/registry.js'
import { expectedIds, FakeRunner, fakeFramework } from '../engine/fake-plugin.js'
import { fakePlugin } from './fake-frameworks.js'

test.serial('an engine on candle and one on a plugin of JavaScript run side by side', async t => {
  registerPlugin({
    ...fakePlugin({ name: 'fake' }),
    open: async () => ({
      framework: fakeFramework(),
      createRunner: async ({ blockSize }) => new FakeRunner({}, blockSize),
      close: async () => {},
    }),
  })
  t.teardown(() => unregisterPlugin('fake'))
  const options = { loadTokenizer: false, numBlocks: 64 }
  await using onCandle = await LLM.create({ ...options, framework: 'candle' })
  t.is(framework.name, 'candle')
  const prompt = [5, 9, 2]
  const params = { temperature: 0, maxTokens: 16, ignoreEos: true }
  const alone = await onCandle.generate(prompt, params)
  const onFake = await LLM.create({ ...options, framework: 'fake' })
  t.is(framework.name, 'fake')
  const [candle, fake] = await Promise.all([onCandle.generate(prompt, params), onFake.generate(prompt, params)])
  t.deepEqual(candle.outputs[0]?.tokenIds, alone.outputs[0]?.tokenIds)
  t.deepEqual(Array.from(fake.outputs[0]?.tokenIds ?? []), expectedIds(prompt, 16))
  t.is(onCandle.modelInfo.architecture, 'LlamaForCausalLM')
  t.is(onFake.modelInfo.architecture, 'FakeForCausalLM')
  t.is(onCandle.framework.name, 'candle')
  t.is(onFake.framework.name, 'fake')
  t.throws(() => onFake.framework.manualSeed(1n), { message: 'The framework fake has no manualSeed.' })
  await onFake.close()
  t.is(framework.name, 'candle')
  t.is((await onCandle.generate(prompt, params)).outputs[0]?.tokenIds.length, 16)
})

test.serial('an installed plugin that cannot run here is told of', async t => {
  registerPlugin(fakePlugin({ name: 'absent', priority: 90, reason: 'no driver' }))
  t.teardown(() => unregisterPlugin('absent'))
  const warned = new Promise<Error>(resolve => process.once('warning', resolve))
  await using llm = await LLM.create({ loadTokenizer: false, numBlocks: 64 })
  t.is(llm.framework.name, 'candle')
  const { name, message } = await warned
  t.is(
    `${name}: ${message}`,
    'QuireWarning: absent (registerPlugin) is installed but cannot run here: no driver\nRunning on candle.',
  )
})
