// The WebAssembly module gives what the native modules give: greedy tokens, sampled tokens with seeds, texts, grammars, failures.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Grammars, Text } from '../../ts/src/binding/index.js'
import { loadNative } from '../../ts/src/binding/node.js'
import { bundledModelDirectory } from '../../ts/src/config/bundled-model.js'
import { declareRowTests, declareTokenTests, doorOf, testOf } from './golden-tokens.js'
import { bringModel } from './wasm-model.js'

declareTokenTests('simd')
declareRowTests('simd')

testOf('simd', 'texts, templates and grammars are those of the native module', async t => {
  const { native, files } = await doorOf('simd')
  const directory = bundledModelDirectory()
  await bringModel(files, directory)
  const [here, there] = [
    await Text.load(native, directory, undefined),
    await Text.load(await loadNative(), directory, undefined),
  ]
  const texts = ['Hello', 'Grüße, 世界 🙂', '', ' two  spaces\n']
  t.deepEqual(await here.encode(texts, true), await there.encode(texts, true))
  const ids = (await here.encode(['Once upon a time'], false))[0] as Int32Array
  t.is(here.decode(ids, true), there.decode(ids, true))
  const template = '{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}'
  const messages = [{ role: 'user', content: 'Hi' }]
  t.is(here.render(messages, { chatTemplate: template }, new Date(0)), '<user>Hi')
  const options = { tokenizerPath: directory, vocabSize: here.tokenizer.vocabSize(), eosTokenIds: [], threads: 1 }
  const grammars = await Grammars.create(native, options)
  await t.notThrowsAsync(grammars.compile({ ...source, kind: 'json', text: '{"type":"integer"}' }))
  await t.throwsAsync(grammars.compile({ ...source, kind: 'regex', text: '(' }), {
    code: 'ERR_GRAMMAR_INVALID',
  } as object)
})

const source = { disableAnyWhitespace: false, disableAdditionalProperties: false }

testOf('simd', 'what is wrong with weights is said before and while they come', async t => {
  const { files, candle } = await doorOf('simd')
  t.throws(() => files.openWeights('/bad/model.safetensors', 2 ** 40), { code: 'ERR_OUT_OF_MEMORY' } as object)
  t.throws(() => files.openWeights('/bad/model.safetensors', 3), { code: 'ERR_MODEL_INVALID' } as object)
  const broken = files.openWeights('/bad/model.safetensors', 20)
  t.throws(() => broken.write(new Uint8Array(20).fill(255)), { code: 'ERR_MODEL_INVALID' } as object)
  const whole = await readFile(join(bundledModelDirectory(), 'model.safetensors'))
  const short = files.openWeights('/bad/model.safetensors', whole.length)
  short.write(whole.subarray(0, whole.length - 1))
  t.throws(() => short.close(), { code: 'ERR_MODEL_INVALID' } as object)
  const huge = files.openWeights('/bad/model.safetensors', hugeHeader.length + HUGE_BYTES)
  t.throws(() => huge.write(hugeHeader), { code: 'ERR_OUT_OF_MEMORY' } as object)
  const missing = await candle.Runner.load('/nowhere', { dtype: 'auto', threads: 1 }, () => {})
  t.like(missing, { ok: false, code: 'ERR_MODEL_NOT_FOUND' })
})

/** A tensor of as many bytes as a 32-bit memory may have, which has other things in it already. */
const HUGE_BYTES = 4_293_918_720
const hugeHeader = headerOf({ huge: { dtype: 'U8', shape: [HUGE_BYTES], data_offsets: [0, HUGE_BYTES] } })

function headerOf(entries: object): Uint8Array {
  const json = Buffer.from(JSON.stringify(entries))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json])
}
