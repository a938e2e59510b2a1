// How much memory a model takes: weights are in the module's memory once, packing them is not a second copy of them all, and a
// cache takes what is written of it.

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

const CACHE_BYTES = 256 << 20

testOf('simd', 'a cache takes memory as it is filled', async t => {
  const { candle } = await doorOf('simd')
  const before = process.memoryUsage.rss()
  unwrap(candle.NativeTensor.zeros([CACHE_BYTES], 'uint8'))
  const taken = process.memoryUsage.rss() - before
  t.true(taken < CACHE_BYTES / 4, `${taken} bytes for an empty cache of ${CACHE_BYTES}`)
})

const REUSED_BYTES = (3 << 20) + 5

testOf('simd', 'memory of a cache that was given up is used again, and zero', async t => {
  const { candle, memory } = await doorOf('simd')
  const filled = unwrap(candle.NativeTensor.zeros([REUSED_BYTES], 'uint8'))
  unwrap(filled.copyFromHost(Buffer.alloc(REUSED_BYTES, 7)))
  const length = memory.buffer.byteLength
  ;(filled as unknown as { free(): void }).free()
  const next = unwrap(candle.NativeTensor.zeros([REUSED_BYTES], 'uint8'))
  t.is(memory.buffer.byteLength, length, 'memory has not grown')
  const found = Buffer.alloc(REUSED_BYTES, 1)
  unwrap(next.copyToHost(found))
  t.true(found.equals(Buffer.alloc(REUSED_BYTES)))
})
