// Speculative decoding by prompt lookup: the outputs of an engine that guesses are those of one that does not, whatever is asked
// for, and text that repeats needs fewer steps.

import test from 'ava'
import { parseServeSettings } from '../../ts/src/cli/serve-settings.js'
import {
  type CreateOptions,
  Engine,
  InvalidArgumentError,
  SamplingParams,
  type SpeculativeOptions,
} from '../../ts/src/index.js'
import { base, checkEqual, outputsOf } from './same-outputs.js'

/** Guesses often, so that many are wrong. */
const eager: SpeculativeOptions = { method: 'ngram', promptLookupMin: 1, promptLookupMax: 2, maxStepTokens: 64 }

test('outputs are those of an engine without guesses', async t => {
  await using plain = await Engine.create(base)
  const expected = await outputsOf(plain)
  t.is(plain.stats().numDraftTokens, 0)
  const others: [string, CreateOptions][] = [
    ['many guesses', { speculativeConfig: eager }],
    ['usual ones', { speculativeConfig: { method: 'ngram' } }],
    ['few blocks, who must yield', { speculativeConfig: eager, numBlocks: 40, maxNumSeqs: 12 }],
    ['small steps', { speculativeConfig: eager, maxNumBatchedTokens: 48, maxNumSeqs: 16 }],
  ]
  for (const [what, options] of others) {
    await using engine = await Engine.create({ ...base, ...options })
    const given = await outputsOf(engine)
    for (const [index, output] of expected.entries()) {
      checkEqual(t, { ...given[index], numCachedTokens: 0 }, { ...output, numCachedTokens: 0 }, `${what} ${index}`)
    }
    const { numDraftTokens, numAcceptedDraftTokens, numRunning, numFreeBlocks, numUsableBlocks } = engine.stats()
    if (options.speculativeConfig === eager) {
      t.true(numAcceptedDraftTokens > 0 && numAcceptedDraftTokens < numDraftTokens, what)
    }
    t.deepEqual([numRunning, numFreeBlocks], [0, numUsableBlocks], what)
  }
})

test('text that repeats takes fewer steps', async t => {
  const steps: number[] = []
  for (const options of [{}, { speculativeConfig: { method: 'ngram' } }] as CreateOptions[]) {
    await using engine = await Engine.create({ ...base, ...options })
    const [promptTokenIds] = await engine.encode(['a b c d e f g h '.repeat(8)], true)
    // Biased so strongly that it goes round in a ring of tokens.
    const logitBias = Object.fromEntries([...(promptTokenIds as Int32Array).slice(1, 3)].map(id => [id, 100]))
    const params = new SamplingParams({ temperature: 0, maxTokens: 100, ignoreEos: true, logitBias })
    const output = await engine.add({ requestId: 'a', promptTokenIds: promptTokenIds as Int32Array, params }).final()
    t.is(output.outputs[0]?.tokenIds.length, 100)
    steps.push(engine.stats().numSteps)
  }
  t.true((steps[1] as number) * 2 < (steps[0] as number), `${steps}`)
})

test('what cannot be is refused with the name of the field', async t => {
  const rows: [unknown, string][] = [
    [{}, 'speculativeConfig.method'],
    [{ method: 'eagle' }, 'speculativeConfig.method'],
    [{ method: 'ngram', numSpeculativeTokens: 0 }, 'speculativeConfig.numSpeculativeTokens'],
    [{ method: 'ngram', promptLookupMin: 6, promptLookupMax: 5 }, 'speculativeConfig.promptLookupMin'],
    [{ method: 'ngram', promptLookupMax: 65 }, 'speculativeConfig.promptLookupMax'],
    [{ method: 'ngram', maxStepTokens: 1.5 }, 'speculativeConfig.maxStepTokens'],
    [{ method: 'ngram', draftModel: 'x' }, 'speculativeConfig.draftModel'],
    ['ngram', 'speculativeConfig'],
  ]
  for (const [speculativeConfig, parameter] of rows) {
    const options = { ...base, speculativeConfig } as CreateOptions
    const error = await t.throwsAsync(Engine.create(options), { instanceOf: InvalidArgumentError })
    t.is((error as InvalidArgumentError).parameter, parameter)
  }
})

test("the command line takes vLLM's names", t => {
  const given = '{"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_max": 4}'
  const speculativeConfig = { method: 'ngram', numSpeculativeTokens: 5, promptLookupMax: 4 }
  t.deepEqual(parseServeSettings(['--speculative-config', given], {}).engine.speculativeConfig, speculativeConfig)
})
