// What the plugin of a page says of a model before its weights are fetched.

import test from 'ava'
import { checkArchitecture } from '../../ts/src/web/check-architecture.js'
import { fakePlugin } from '../plugin/fake-frameworks.js'

const plugin = fakePlugin({ name: 'candle', architectures: ['LlamaForCausalLM'] })

test('an architecture that the plugin lists passes, and so does a model type alone', async t => {
  await t.notThrowsAsync(checkArchitecture(plugin, { architectures: ['LlamaForCausalLM', 'Other'] }, '/model/'))
  await t.notThrowsAsync(checkArchitecture(plugin, { model_type: 'llama' }, '/model/'))
})

test('another is refused by its name', async t => {
  await t.throwsAsync(checkArchitecture(plugin, { architectures: ['MambaForCausalLM'] }, '/model/'), {
    code: 'ERR_MODEL_UNSUPPORTED',
    message: 'The architecture MambaForCausalLM of the model at /model/ is not supported. Supported: LlamaForCausalLM.',
  })
})
