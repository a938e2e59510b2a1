// The WebAssembly module gives what the native modules give: greedy tokens, sampled tokens with seeds, texts, grammars, failures.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { loadNative as loadCandle } from '../../plugins/candle-cpu/src/native.js'
import { Grammars, Text } from '../../ts/src/binding/index.js'
import { loadNative } from '../../ts/src/binding/node.js'
import { loadWasm, type WasmDoor } from '../../ts/src/binding/wasm/index.js'
import { bundledModelDirectory } from '../../ts/src/config/bundled-model.js'
import { type GoldenModel, goldenModels, sharedModels, withoutSharedModels } from '../parity/golden-model.js'
import { continuePrompts, type Doors, type Prompt } from './continue-prompts.js'
import { bringModel } from './wasm-model.js'

const isBuilt = existsSync(new URL('../../ts/wasm/simd/quire_bg.wasm', import.meta.url))
const wasmTest = isBuilt ? test.serial : test.skip
const unless = isBuilt ? '' : ' (ts/wasm is not built: npm run build:wasm)'

async function door(): Promise<WasmDoor & Doors> {
  const wasm = await loadWasm()
  return { ...wasm, candle: wasm.runner as Doors['candle'] }
}

if (sharedModels === undefined) test.skip(`golden models in WebAssembly: ${withoutSharedModels}`, () => {})

/** Where two tokens are as good as alike, rounding decides; every golden model keeps away from that. */
for (const model of goldenModels()) {
  wasmTest(`${model.name}: golden ids, and the native module's with seeds${unless}`, async t => {
    const wasm = await door()
    const native: Doors = { native: await loadNative(), candle: await loadCandle() }
    await bringModel(wasm.files, model.path)
    const greedy = await continuePrompts(wasm, model.path, promptsOf(model, {}))
    t.deepEqual(
      greedy,
      model.cases.map(one => [...one.output_token_ids]),
    )
    for (const sampling of SAMPLINGS) {
      await bringModel(wasm.files, model.path)
      const prompts = promptsOf(model, sampling)
      t.deepEqual(
        await continuePrompts(wasm, model.path, prompts),
        await continuePrompts(native, model.path, prompts),
        JSON.stringify(sampling, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
      )
    }
    wasm.files.remove(model.path)
  })
}

/** Drawn by the runner, drawn by the sampler with its state. */
const SAMPLINGS = [
  { temperature: 0.8, topP: 0.95, topK: 40, seed: 0x1234_5678_9abc_def0n },
  { temperature: 1, minP: 0.05, repetitionPenalty: 1.1, presencePenalty: 0.2, seed: -7n },
]

function promptsOf(model: GoldenModel, sampling: (typeof SAMPLINGS)[number] | object): Prompt[] {
  return model.cases.map(one => ({
    tokenIds: one.prompt_token_ids,
    maxTokens: one.max_tokens,
    stopTokenIds: model.stopTokenIds,
    sampling,
  }))
}

wasmTest(`texts, templates and grammars are those of the native module${unless}`, async t => {
  const { native, files } = await door()
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

wasmTest(`what is wrong with weights is said before and while they come${unless}`, async t => {
  const { files, candle } = await door()
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
