// How much memory loading takes: weights are in the module's memory once, and packing them is not a second copy of them all.

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { unwrap } from '../../ts/src/binding/outcome.js'
import { bundledModelDirectory } from '../../ts/src/config/bundled-model.js'
import { doorOf, testOf } from './golden-tokens.js'
import { bringModel } from './wasm-model.js'

/** Packed weights have padding, and the largest tensor is there twice while it is packed. */
const MOST_COPIES = 1.5

testOf('simd', 'a model is not in memory twice while it is loaded', async t => {
  const { candle, files, memory } = await doorOf('simd')
  const path = bundledModelDirectory()
  const { size } = statSync(join(path, 'model.safetensors'))
  const before = memory.buffer.byteLength
  await bringModel(files, path)
  const brought = memory.buffer.byteLength - before
  const runner = unwrap(await candle.Runner.load(path, { dtype: 'auto', threads: 1 }, () => {}))
  const loaded = memory.buffer.byteLength - before
  t.log(`${size} bytes of weights: ${brought} brought, ${loaded} loaded`)
  t.true(brought < MOST_COPIES * size, `${brought} bytes for ${size} of weights that came`)
  t.true(loaded < MOST_COPIES * size, `${loaded} bytes for ${size} of weights, loaded`)
  await runner.close()
})
