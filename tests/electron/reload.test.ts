// The native modules know of no thread that they live in: they are loaded, used and unloaded in one after the other.

import { fileURLToPath } from 'node:url'
import test from 'ava'
import { run, succeeded } from '../apps/run-program.js'

/** One model has 7 MB of weights, one thread of JavaScript 10 MB: a fraction of either, kept each time, is more than this. */
const MOST_BYTES = 96 << 20

test('50 worker threads, three at a time, load both native modules, run a model and unload: nothing is kept', async t => {
  const program = fileURLToPath(new URL('./reload-addon.mjs', import.meta.url))
  const said = succeeded(
    await run([process.execPath, '--expose-gc', program], fileURLToPath(new URL('./', import.meta.url))),
  )
  const { texts, grownBytes } = JSON.parse(said) as { texts: string[]; grownBytes: number }
  t.is(texts.length, 1)
  t.regex(texts[0] ?? '', /\w/)
  t.true(grownBytes < MOST_BYTES, `${(grownBytes / 2 ** 20).toFixed(1)} MiB`)
})
