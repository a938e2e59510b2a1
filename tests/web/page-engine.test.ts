// The page's side and the Worker's of an engine on the web, with the addons in place of WebAssembly: what crosses between them,
// and who hears of what goes wrong. In a real browser: `browser.test.ts`.

import test from 'ava'
import { bundledModelDirectory } from '../../ts/dist/config/node.js'
import { nodeRuntime, PageEngine } from './node-runtime.js'
import { StaticServer } from './static-server.js'

// Node 20 has none.
;(globalThis as { navigator?: object }).navigator ??= { onLine: true }

let server: StaticServer
test.before(async () => {
  server = await StaticServer.start({ model: bundledModelDirectory() })
})
test.after.always(() => server?.close())

test('a prompt goes through the Worker and comes back as text', async t => {
  const runtime = nodeRuntime({ baseUrl: server.url })
  const progress: number[] = []
  await using engine = await PageEngine.create(
    { model: 'model/', storage: 'none', seed: 1, onProgress: fraction => progress.push(fraction) },
    runtime,
  )
  const outputs = []
  for await (const output of engine.generate({ prompt: 'Once upon a time', params: { maxTokens: 8, temperature: 0 } }))
    outputs.push(output)
  t.is(outputs.at(-1)?.outputs[0]?.tokenIds.length, 8)
  t.is(progress.at(-1), 1)
  t.deepEqual(
    progress,
    progress.toSorted((a, b) => a - b),
  )
})
