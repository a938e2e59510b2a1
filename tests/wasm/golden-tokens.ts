// The tokens of the golden models in one build of the WebAssembly module: transformers' greedy ones, and with seeds those of the
// native modules. A file of tests for each build, because a thread instantiates one.

import { existsSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { loadNative as loadCandle } from '../../plugins/candle-cpu/src/native.js'
import { loadNative } from '../../ts/src/binding/node.js'
import { loadWasm, type WasmDoor } from '../../ts/src/binding/wasm/index.js'
import { type GoldenModel, goldenModels, sharedModels, withoutSharedModels } from '../parity/golden-model.js'
import { continuePrompts, type Doors, type Prompt } from './continue-prompts.js'
import { bringModel } from './wasm-model.js'

export type BuildName = 'simd' | 'relaxed'

/** Declares a test of a build, or a skipped one that says what is missing. */
export function testOf(build: BuildName, title: string, run: (t: ExecutionContext) => Promise<void>): void {
  const isBuilt = existsSync(new URL(`../../ts/wasm/${build}/quire_bg.wasm`, import.meta.url))
  if (isBuilt) test.serial(`${title} (${build})`, run)
  else test.skip(`${title} (ts/wasm/${build} is not built: npm run build:wasm)`, () => {})
}

export async function doorOf(build: BuildName): Promise<WasmDoor & Doors> {
  const wasm = await loadWasm({ build })
  return { ...wasm, candle: wasm.runner as Doors['candle'] }
}

/** Drawn by the runner, drawn by the sampler with its state. */
const SAMPLINGS = [
  { temperature: 0.8, topP: 0.95, topK: 40, seed: 0x1234_5678_9abc_def0n },
  { temperature: 1, minP: 0.05, repetitionPenalty: 1.1, presencePenalty: 0.2, seed: -7n },
]

/** What weights are made on load, of models whose rows it fits. */
const QUANTIZATIONS: Readonly<Record<string, readonly string[]>> = {
  'TinyStories-656K': ['q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'int8'],
  'microlm-ultra-starcoder2': ['q4_k', 'q6_k'],
}

const FEW_TOKENS = 16

/** Where two tokens are as good as alike, rounding decides; every golden model keeps away from that. */
export function declareTokenTests(build: BuildName): void {
  if (sharedModels === undefined) test.skip(`golden models in WebAssembly: ${withoutSharedModels}`, () => {})
  for (const model of goldenModels()) {
    testOf(build, `${model.name}: golden ids, and the native module's with seeds`, async t => {
      const wasm = await doorOf(build)
      const native: Doors = { native: await loadNative(), candle: await loadCandle() }
      await bringModel(wasm.files, model.path)
      t.deepEqual(
        await continuePrompts(wasm, model.path, promptsOf(model, {})),
        model.cases.map(one => [...one.output_token_ids]),
      )
      for (const sampling of SAMPLINGS) {
        await bringModel(wasm.files, model.path)
        const prompts = promptsOf(model, sampling)
        t.deepEqual(
          await continuePrompts(wasm, model.path, prompts),
          await continuePrompts(native, model.path, prompts),
          `temperature ${sampling.temperature}`,
        )
      }
      wasm.files.remove(model.path)
    })
  }
}

/** Few rows of a product and many have kernels of their own, which add in the same order. */
export function declareRowTests(build: BuildName): void {
  if (sharedModels === undefined) test.skip(`few and many rows in WebAssembly: ${withoutSharedModels}`, () => {})
  for (const model of goldenModels()) {
    if (!(model.name in QUANTIZATIONS)) continue
    testOf(build, `${model.name}: the same ids however few tokens a step has`, async t => {
      const wasm = await doorOf(build)
      // Hot, so that ids show what logits are.
      const prompts = promptsOf(model, { temperature: 3, seed: 11n })
      for (const dtype of ['float32', 'bfloat16']) {
        const continueIn = async (stepTokens: number) => {
          await bringModel(wasm.files, model.path)
          return continuePrompts(wasm, model.path, prompts, { dtype, stepTokens })
        }
        const whole = await continueIn(256)
        for (const stepTokens of [1, 4, 6, 7, 23])
          t.deepEqual(await continueIn(stepTokens), whole, `${dtype}, ${stepTokens}`)
      }
      wasm.files.remove(model.path)
    })
  }
}

/** Of a build that rounds as native CPUs do: sums of blocks have their bits, whichever of its kernels multiply bytes. */
export function declareQuantisedTests(build: BuildName, kernels: readonly string[]): void {
  if (sharedModels === undefined) test.skip(`quantised models in WebAssembly: ${withoutSharedModels}`, () => {})
  for (const model of goldenModels()) {
    const quantizations = QUANTIZATIONS[model.name]
    if (quantizations === undefined) continue
    testOf(build, `${model.name}: the native module's ids with weights in blocks and bytes`, async t => {
      const wasm = await doorOf(build)
      const native: Doors = { native: await loadNative(), candle: await loadCandle() }
      // Of many tokens some are as good as alike in one of the formats.
      const prompts = promptsOf(model, {}).map(prompt => ({
        ...prompt,
        maxTokens: Math.min(prompt.maxTokens, FEW_TOKENS),
      }))
      for (const quantization of quantizations) {
        const theirs = await continuePrompts(native, model.path, prompts, { quantization })
        for (const name of kernels) {
          const choices = { quantization, kernels: name }
          await bringModel(wasm.files, model.path)
          t.deepEqual(await continuePrompts(wasm, model.path, prompts, choices), theirs, `${quantization}, ${name}`)
          // One at a time: other kernels.
          await bringModel(wasm.files, model.path)
          const alone = await continuePrompts(wasm, model.path, prompts.slice(0, 1), choices)
          t.deepEqual(alone, theirs.slice(0, 1), `${quantization}, ${name}, alone`)
        }
      }
      wasm.files.remove(model.path)
    })
  }
}

function promptsOf(model: GoldenModel, sampling: object): Prompt[] {
  return model.cases.map(one => ({
    tokenIds: one.prompt_token_ids,
    maxTokens: one.max_tokens,
    stopTokenIds: model.stopTokenIds,
    sampling,
  }))
}
