// Speculative decoding by a second model: the outputs of an engine that it guesses for are those of one without, whatever the second model
// is and whatever becomes of it.

import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { parseServeSettings } from '../../ts/src/cli/serve-settings.js'
import { bundledModelDirectory } from '../../ts/src/config/bundled-model.js'
import { DraftTrial } from '../../ts/src/engine/draft-trial.js'
import { type CreateOptions, Engine, InvalidArgumentError, type SpeculativeOptions } from '../../ts/src/index.js'
import { createFakeEngine, expectedIds } from '../engine/fake-plugin.js'
import { base, checkEqual, outputsOf } from './same-outputs.js'

const bundled = bundledModelDirectory()
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
/** The model itself, and so coarse that it often says something else. */
const itself: SpeculativeOptions = { model: bundled, maxStepTokens: 512 }
const coarse: SpeculativeOptions = { ...itself, quantization: 'q4_0' }

test('outputs are those of an engine without guesses', async t => {
  await using plain = await Engine.create(base)
  const expected = await outputsOf(plain)
  const others: [string, CreateOptions][] = [
    ['the model itself', { speculativeConfig: itself }],
    ['a coarse one', { speculativeConfig: coarse }],
    ['few blocks, who must yield', { speculativeConfig: coarse, numBlocks: 42, maxNumSeqs: 12 }],
    ['small steps', { speculativeConfig: coarse, maxNumBatchedTokens: 48, maxNumSeqs: 6 }],
  ]
  for (const [what, options] of others) {
    await using engine = await Engine.create({ ...base, ...options })
    const given = await outputsOf(engine)
    for (const [index, output] of expected.entries()) {
      checkEqual(t, { ...given[index], numCachedTokens: 0 }, { ...output, numCachedTokens: 0 }, `${what} ${index}`)
    }
    const { numDraftTokens, numAcceptedDraftTokens, numRunning, numFreeBlocks, numUsableBlocks } = engine.stats()
    const share = numAcceptedDraftTokens / numDraftTokens
    // Penalties, biases and forced lengths are the target's alone, so that even its twin is wrong now and then.
    t.true(options.speculativeConfig === itself ? share > 0.7 : share > 0.05 && share < 0.99, `${what}: ${share}`)
    t.deepEqual([numRunning, numFreeBlocks], [0, numUsableBlocks], what)
  }
})

test('a model that says what the other one says saves steps, from a cached prefix too', async t => {
  // The other model is the slow one: whether drafts pay is measured.
  let numTargetSteps = 0
  const { engine, runners, request } = await createFakeEngine(
    {
      onStep: async () => {
        const steps = runners[0]?.steps.length ?? 0
        if (steps === numTargetSteps) return
        numTargetSteps = steps
        await setTimeout(20)
      },
    },
    { numBlocks: 200, maxNumSeqs: 8, speculativeConfig: { model: 'twin', numSpeculativeTokens: 4 } },
  )
  const prompt = Array.from({ length: 21 }, (_, index) => (index * 5) % 64)
  for (const repeated of [false, true]) {
    const [target, twin] = runners.map(({ steps }) => steps.length) as [number, number]
    const { outputs, numCachedTokens } = await engine.add(request(prompt, { maxTokens: 41 })).final()
    t.deepEqual(Array.from(outputs[0]?.tokenIds ?? []), expectedIds(prompt, 41))
    t.is(numCachedTokens, repeated ? 20 : 0)
    const { numDraftTokens, numAcceptedDraftTokens } = engine.stats()
    t.is(numAcceptedDraftTokens, numDraftTokens)
    // One of the prompt, and steps of five tokens, but for those that look how it goes without.
    t.true((runners[0]?.steps.length ?? 0) - target < 25, `${(runners[0]?.steps.length ?? 0) - target}`)
    t.true((runners[1]?.steps.length ?? 0) > twin)
  }
  t.true(engine.stats().numAcceptedDraftTokens > 20)
  await engine.close()
  t.true(runners.every(({ closed }) => closed))
})

test('an engine goes on without the model that drafts when that fails', async t => {
  let numDrafted = 0
  const { engine, runners, request } = await createFakeEngine(
    {
      onStep: () => {
        const drafted = runners[1]?.steps.length ?? 0
        if (drafted === numDrafted) return
        numDrafted = drafted
        if (drafted === 7) throw new Error('no memory left')
      },
    },
    { numBlocks: 200, speculativeConfig: { model: 'twin', numSpeculativeTokens: 4 } },
  )
  const warned = new Promise<Error>(resolve => process.once('warning', resolve))
  const prompts = [
    [1, 2, 3],
    [4, 5, 6, 7, 8],
  ]
  const outputs = await Promise.all(prompts.map(prompt => engine.add(request(prompt, { maxTokens: 40 })).final()))
  for (const [
    index,
    {
      outputs: [output],
    },
  ] of outputs.entries()) {
    t.deepEqual(Array.from(output?.tokenIds ?? []), expectedIds(prompts[index] as number[], 40))
  }
  t.regex((await warned).message, /without drafts.*no memory left/)
  t.is(runners[1]?.steps.length, 7)
  const { numFreeBlocks, numUsableBlocks } = engine.stats()
  t.is(numFreeBlocks, numUsableBlocks)
  await engine.close()
})

test('drafts are made where they pay', t => {
  /** Tokens per step with drafts, and what a step takes with them and without: the share of steps that had drafts. */
  const share = (numTokens: number, withMs: number, withoutMs: number): number => {
    const trial = new DraftTrial()
    let drafted = 0
    for (let step = 0; step < 2000; step += 1) {
      drafted += Number(trial.wantsDrafts)
      if (trial.wantsDrafts) trial.took(2, numTokens, withMs)
      else trial.took(2, 2, withoutMs)
    }
    return drafted / 2000
  }
  t.true(share(6, 20, 10) > 0.9)
  t.true(share(3, 20, 10) < 0.03)
  const changing = new DraftTrial()
  for (let step = 0; step < 100; step += 1) changing.took(1, 1, changing.wantsDrafts ? 30 : 10)
  // The text has become easy: it is noticed.
  let drafted = 0
  for (let step = 0; step < 2000; step += 1) {
    drafted += Number(changing.wantsDrafts)
    changing.took(1, changing.wantsDrafts ? 5 : 1, changing.wantsDrafts ? 30 : 10)
  }
  t.true(drafted > 1000, `${drafted}`)
})

test('what cannot be is refused with the name of the field', async t => {
  const rows: [CreateOptions | object, string][] = [
    [{ speculativeConfig: { method: 'draft_model' } }, 'speculativeConfig.model'],
    [{ speculativeConfig: { model: bundled, promptLookupMin: 2 } }, 'speculativeConfig.promptLookupMin'],
    [{ speculativeConfig: { model: bundled, numSpeculativeTokens: 0 } }, 'speculativeConfig.numSpeculativeTokens'],
    [{ speculativeConfig: { model: bundled }, tensorParallelSize: 2 }, 'tensorParallelSize'],
    [{ speculativeConfig: { model: fixture('llama_gqa') } }, 'speculativeConfig.model'],
    [{ speculativeConfig: { model: bundled, quantization: 'q9' } }, 'quantization'],
  ]
  for (const [options, parameter] of rows) {
    const error = await t.throwsAsync(Engine.create({ ...base, ...options }), { instanceOf: InvalidArgumentError })
    t.is((error as InvalidArgumentError).parameter, parameter)
  }
  await t.throwsAsync(Engine.create({ ...base, speculativeConfig: { model: fixture('nothing') } }), {
    code: 'ERR_MODEL_NOT_FOUND',
  })
})

test("the command line takes vLLM's names", t => {
  const given = '{"model": "org/small", "num_speculative_tokens": 3, "quantization": "q8_0"}'
  const speculativeConfig = { model: 'org/small', numSpeculativeTokens: 3, quantization: 'q8_0' }
  t.deepEqual(parseServeSettings(['--speculative-config', given], {}).engine.speculativeConfig, speculativeConfig)
})
