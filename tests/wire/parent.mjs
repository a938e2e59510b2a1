// An engine's process, as small as it can be: it opens the fake framework, loads a model, and then ends in one way or another.

import { definePythonPlugin } from '@quire-llm/python-worker'

const [ending] = process.argv.slice(2)
const plugin = definePythonPlugin({
  name: 'fake',
  priority: 1,
  pythonPath: new URL('../../plugins/_python-worker/python/tests/', import.meta.url),
  module: 'quire_fake',
  distribution: 'numpy',
  versions: { atLeast: '1', below: '3' },
  capabilities: {},
})
const device = { kind: 'cpu', index: 0 }
const { createRunner } = await plugin.open({ env: process.env })
const runner = await createRunner({ device, dtype: 'float32', rank: 0, worldSize: 1, blockSize: 4 })
const path = new URL('../fixtures/llama_gqa', import.meta.url).pathname
const loading = runner.loadModel({ path }, fraction => {
  if (ending === 'loading' && fraction === 1) process.stdout.write('ready\n')
})
if (ending !== 'loading') {
  await loading
  process.stdout.write('ready\n')
}
if (ending === 'throw') throw new Error('an app with a bug')
if (ending === 'wait') setInterval(() => {}, 1000)
