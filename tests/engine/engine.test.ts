// The engine on a runner without a model: batching, company, aborts at any moment, failures, slow consumers, closing.

import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import type { RequestOutput } from '../../ts/src/engine/index.js'
import { EngineError } from '../../ts/src/errors.js'
import { createFakeEngine, expectedIds, type FakeOptions } from './fake-plugin.js'

const prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10], [1, 2, 3, 11], [12, 13]]
const idsOf = (output: RequestOutput) => output.outputs[0]?.tokenIds

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof EngineError ? error.code : String(error)
}

for (const [title, fake, options] of [
  ['host sampling', {}, {}],
  ['device sampling', { deviceSampling: true }, {}],
  ['chunks of one token', {}, { maxNumBatchedTokens: 2, maxNumSeqs: 1 }],
  ['chunks of four tokens, two sequences', {}, { maxNumBatchedTokens: 4, maxNumSeqs: 2 }],
  ['blocks of one token', {}, { blockSize: 1 }],
  ['no prefix cache', {}, { enablePrefixCaching: false }],
  ['so few blocks that sequences yield', { maxModelLen: 32 }, { numBlocks: 9, maxModelLen: 32 }],
] as const) {
  test(`every prompt gets its own ids: ${title}`, async t => {
    const { engine, request } = await createFakeEngine(fake, options)
    for (let round = 0; round < 2; round += 1) {
      const outputs = await Promise.all(prompts.map(prompt => engine.add(request(prompt, { maxTokens: 12 })).final()))
      for (const [index, prompt] of prompts.entries()) {
        t.deepEqual(idsOf(outputs[index] as RequestOutput), expectedIds(prompt, 12))
        t.is(outputs[index]?.outputs[0]?.finishReason, 'length')
      }
    }
    t.is(engine.stats().numRunning + engine.stats().numWaiting, 0)
    await engine.close()
  })
}

test('requests of one tick begin in one step', async t => {
  const { engine, runner, request } = await createFakeEngine()
  await Promise.all(prompts.map(prompt => engine.add(request(prompt)).final()))
  t.is(runner.steps[0]?.length, prompts.length)
  t.is(runner.steps.length, 8)
  await engine.close()
})

test('a second equal prompt finds the first one in the cache', async t => {
  const { engine, request } = await createFakeEngine()
  const prompt = Array.from({ length: 17 }, (_, index) => index)
  const first = await engine.add(request(prompt)).final()
  const second = await engine.add(request(prompt)).final()
  t.deepEqual([first.numCachedTokens, second.numCachedTokens], [0, 16])
  t.deepEqual(idsOf(second), idsOf(first))
  const salted = await engine.add(request(prompt, {}, { cacheSalt: 'mine' })).final()
  t.is(salted.numCachedTokens, 0)
  t.true(await engine.resetPrefixCache())
  t.is((await engine.add(request(prompt)).final()).numCachedTokens, 0)
  await engine.close()
})

test('a runner with memory of its own for logits is read there', async t => {
  const logitsMemory = new Float32Array((256 + 64) * 64)
  const { engine, request, runner } = await createFakeEngine({ logitsMemory })
  const outputs: Float32Array[] = []
  const execute = runner.execute.bind(runner)
  runner.execute = (batch, logits) => {
    outputs.push(logits)
    return execute(batch, logits)
  }
  const { outputs: completions } = await engine.add(request([1, 2, 3], { maxTokens: 4 })).final()
  t.deepEqual(Array.from(completions[0]?.tokenIds ?? []), expectedIds([1, 2, 3], 4))
  t.true(outputs.length > 0 && outputs.every(logits => logits === logitsMemory))
  await engine.close()
})

test('moments come in order', async t => {
  const { engine, request } = await createFakeEngine()
  const { metrics } = await engine.add(request([1, 2, 3])).final()
  const { arrivalMs, firstScheduledMs, firstTokenMs, lastTokenMs } = metrics
  const moments = [arrivalMs, firstScheduledMs, firstTokenMs, lastTokenMs] as number[]
  t.deepEqual(
    moments,
    moments.toSorted((a, b) => a - b),
  )
  t.true(Math.abs(arrivalMs - Date.now()) < 60_000)
  await engine.close()
})

test('lower priority numbers run first', async t => {
  const { engine, runner, request } = await createFakeEngine({}, { schedulingPolicy: 'priority', maxNumSeqs: 1 })
  const ended: string[] = []
  const run = async (name: string, priority: number) => {
    await engine.add(request([1], { maxTokens: 2 }, { requestId: name, priority })).final()
    ended.push(name)
  }
  await Promise.all([run('late', 5), run('middle', 3), run('early', 1)])
  t.deepEqual(ended, ['early', 'middle', 'late'])
  t.true(runner.steps.every(step => step.length === 1))
  await engine.close()
})

test('stop ids: the primary one is not named, others are; ignoreEos goes on', async t => {
  const prompt = [1, 2, 3]
  const [first, second, third] = expectedIds(prompt, 3) as [number, number, number]
  t.is(new Set([first, second, third]).size, 3)
  const { engine, request } = await createFakeEngine({ eosTokenIds: [second, third] })
  const run = async (options: object) =>
    (await engine.add(request(prompt, { maxTokens: 3, ...options })).final()).outputs[0]
  t.like(await run({}), { finishReason: 'stop', stopReason: null, tokenIds: [first, second] })
  t.like(await run({ ignoreEos: true }), { finishReason: 'length', tokenIds: [first, second, third] })
  t.like(await run({ stopTokenIds: [first] }), { finishReason: 'stop', stopReason: first, tokenIds: [first] })
  await engine.close()
})

test('deltas add up to the final output, however slow the consumer is', async t => {
  const { engine, request } = await createFakeEngine()
  for (const turnsBetween of [0, 1, 5, 50]) {
    const ids: number[] = []
    let outputs = 0
    for await (const output of engine.add(request([7], { maxTokens: 30, outputKind: 'delta' }))) {
      outputs += 1
      ids.push(...(idsOf(output) ?? []))
      for (let turn = 0; turn < turnsBetween; turn += 1) await nextTurn()
    }
    t.deepEqual(ids, expectedIds([7], 30))
    t.true(turnsBetween < 50 || outputs < 30, 'a slow consumer gets merged outputs')
  }
  await engine.close()
})

test('cumulative outputs grow, a final one comes once', async t => {
  const { engine, request } = await createFakeEngine()
  const lengths: number[] = []
  for await (const output of engine.add(request([7], { maxTokens: 5 }))) lengths.push(idsOf(output)?.length ?? 0)
  t.deepEqual(
    lengths,
    lengths.toSorted((a, b) => a - b),
  )
  t.is(lengths.at(-1), 5)
  const finals: RequestOutput[] = []
  for await (const output of engine.add(request([7], { maxTokens: 5, outputKind: 'final' }))) finals.push(output)
  t.is(finals.length, 1)
  await engine.close()
})

test('n continuations of one prompt: repeatable by the seed, each with its index', async t => {
  const { engine, request } = await createFakeEngine()
  const sampling = { n: 4, temperature: 2, seed: 5, maxTokens: 10 }
  const first = await engine.add(request([1, 2], sampling)).final()
  const second = await engine.add(request([1, 2], sampling)).final()
  t.deepEqual(
    first.outputs.map(({ index }) => index),
    [0, 1, 2, 3],
  )
  t.deepEqual(first.outputs, second.outputs)
  t.true(new Set(first.outputs.map(({ tokenIds }) => tokenIds.join())).size > 1)
  const alone = await engine.add(request([1, 2], { ...sampling, n: 1, seed: 7 })).final()
  t.deepEqual(idsOf(alone), first.outputs[2]?.tokenIds)
  const indices = new Set<number>()
  for await (const output of engine.add(request([1, 2], { ...sampling, outputKind: 'delta' }))) {
    for (const { index } of output.outputs) indices.add(index)
  }
  t.is(indices.size, 4)
  await engine.close()
})

test('logprobs: the chosen id first, the sum of all, null for the first prompt id', async t => {
  const { engine, request } = await createFakeEngine()
  const sampling = { maxTokens: 3, logprobs: 2, promptLogprobs: 1 }
  const prompt = [1, 2, 3, 4, 5, 6, 7]
  const output = await engine.add(request(prompt, sampling)).final()
  const [completion] = output.outputs
  t.is(completion?.logprobs?.length, 3)
  for (const [index, logprob] of (completion?.logprobs ?? []).entries()) {
    t.is(logprob.tokenId, completion?.tokenIds[index] as number)
    t.is(logprob.rank, 1)
    t.is(logprob.top.length, 2)
    t.is(logprob.top[0]?.tokenId, logprob.tokenId)
  }
  const sum = completion?.logprobs?.reduce((total, { logprob }) => total + logprob, 0) ?? 0
  t.true(Math.abs(sum - (completion?.cumulativeLogprob ?? 0)) < 1e-9)
  t.is(output.promptLogprobs?.length, prompt.length)
  t.is(output.promptLogprobs?.[0], null)
  t.deepEqual(
    output.promptLogprobs?.slice(1).map(one => one?.tokenId),
    prompt.slice(1),
  )
  const chunked = await createFakeEngine({}, { maxNumBatchedTokens: 2, maxNumSeqs: 2 })
  const again = await chunked.engine.add(chunked.request(prompt, sampling)).final()
  t.deepEqual(again.promptLogprobs, output.promptLogprobs)
  await Promise.all([engine.close(), chunked.engine.close()])
})

test('an abort at every moment ends that request alone', async t => {
  for (const moment of ['before the first step', 'in the first step', 'in the third step', 'between steps'] as const) {
    const controller = new AbortController()
    const abort = () => controller.abort(new Error('enough'))
    let steps = 0
    const { engine, request } = await createFakeEngine({
      onStep: async () => {
        steps += 1
        if (moment === 'in the first step' && steps === 1) abort()
        if (moment === 'in the third step' && steps === 3) abort()
        if (moment === 'between steps' && steps === 2) setImmediate(abort)
        await nextTurn()
      },
    })
    const victim = engine.add(request([9, 9], { maxTokens: 20 }, { signal: controller.signal })).final()
    const other = engine.add(request([1, 2, 3], { maxTokens: 20, logprobs: 0 })).final()
    if (moment === 'before the first step') abort()
    const error = await t.throwsAsync(victim, undefined, moment)
    t.like(error, { code: 'ERR_ABORTED', name: 'AbortError', cause: { message: 'enough' } }, moment)
    t.deepEqual(idsOf(await other), expectedIds([1, 2, 3], 20), moment)
    t.is(engine.stats().numFreeBlocks, engine.stats().numUsableBlocks, moment)
    await engine.close()
  }
})

test('a signal that has fired already is refused; leaving a loop aborts', async t => {
  const { engine, request } = await createFakeEngine()
  t.throws(() => engine.add(request([1], {}, { signal: AbortSignal.abort() })), { code: 'ERR_ABORTED' } as object)
  for await (const _ of engine.add(request([1], { maxTokens: 200 }))) break
  t.deepEqual(idsOf(await engine.add(request([1])).final()), expectedIds([1], 8))
  t.is(engine.stats().numRunning, 0)
  engine.abort('no such request')
  await engine.close()
})

test('a runner that throws fails the requests of that step with the cause, and the engine goes on', async t => {
  const broken = new Error('the device fell off')
  let steps = 0
  const fake: FakeOptions = {
    onStep: () => {
      steps += 1
      if (steps === 2) throw broken
    },
  }
  const { engine, request } = await createFakeEngine(fake, { maxNumSeqs: 1 })
  const failing = engine.add(request([5, 6])).final()
  const waiting = engine.add(request([1, 2, 3])).final()
  const error = await t.throwsAsync(failing)
  t.like(error, { code: 'ERR_RUNNER', cause: broken })
  t.deepEqual(idsOf(await waiting), expectedIds([1, 2, 3], 8))
  t.is(engine.stats().numFreeBlocks, engine.stats().numUsableBlocks)
  await engine.close()
})

test('a row of logits that are not numbers fails its request alone', async t => {
  let victim = 0
  const { engine, request } = await createFakeEngine({
    onStep: batch => {
      victim ||= batch.sequenceIds[0] as number
    },
    onLogits: (row, sequenceId) => {
      if (sequenceId === victim) row.fill(Number.NaN)
    },
  })
  const [failing, healthy] = [engine.add(request([5])).final(), engine.add(request([6])).final()]
  t.is(await codeOf(failing), 'ERR_RUNNER')
  t.deepEqual(idsOf(await healthy), expectedIds([6], 8))
  await engine.close()
})

test('a runner whose answer does not fit its batch fails the step', async t => {
  const { engine, runner, request } = await createFakeEngine()
  const execute = runner.execute.bind(runner)
  runner.execute = async () => ({ kind: 'tokens', counts: Int32Array.of(1, 1), tokenIds: Int32Array.of(1, 2) })
  t.is(await codeOf(engine.add(request([5])).final()), 'ERR_RUNNER')
  runner.execute = execute
  t.deepEqual(idsOf(await engine.add(request([5])).final()), expectedIds([5], 8))
  await engine.close()
})

test('close ends what runs, frees the runner, and is final', async t => {
  const { engine, runner, request } = await createFakeEngine({ onStep: () => nextTurn() })
  const running = engine.add(request([1], { maxTokens: 100 })).final()
  await nextTurn()
  const closing = engine.close()
  t.is(await codeOf(running), 'ERR_CLOSED')
  await closing
  t.true(runner.closed)
  t.throws(() => engine.add(request([1])), { code: 'ERR_CLOSED' } as object)
  await engine.close()
})

test('close with drain lets what runs come to its end', async t => {
  const { engine, request } = await createFakeEngine()
  const running = engine.add(request([1], { maxTokens: 40 })).final()
  const closing = engine.close({ drain: true })
  t.throws(() => engine.add(request([1])), { code: 'ERR_CLOSED' } as object)
  t.deepEqual(idsOf(await running), expectedIds([1], 40))
  await closing
})

test('the event loop turns while a runner answers at once', async t => {
  const { engine, request } = await createFakeEngine({ maxModelLen: 4096 }, { numBlocks: 2000 })
  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, 1)
  await engine.add(request([1], { maxTokens: 400 })).final()
  clearInterval(timer)
  t.true(turns > 3, `${turns} turns`)
  await engine.close()
})
