// The engine's calls of `embed`: formed of many requests, between steps and never beside one, in parts where a sequence is long.

import test from 'ava'
import { SamplingParams } from '../../ts/src/config/index.js'
import { EngineClosedError, NotSupportedError, RequestAbortedError } from '../../ts/src/errors.js'
import { createFakeEngine } from '../engine/fake-plugin.js'
import { createEmbeddingEngine, expectedVector } from './embedding-runner.js'

const ids = (length: number, seed: number) => Array.from({ length }, (_, index) => (seed * 37 + index * 11) % 2048)

test('vectors come in the order of inputs, whatever the lengths, and requests share calls', async t => {
  const { engine, runner } = await createEmbeddingEngine({}, { maxNumBatchedTokens: 64 })
  const lengths = [1, 63, 64, 65, 200, 3, 7, 1, 40]
  const jobs = [0, 1, 2].map(job => lengths.map((length, index) => ids(length, 100 * job + index)))
  const outputs = await Promise.all(jobs.map(job => engine.embed(job)))
  for (const [job, inputs] of jobs.entries()) {
    for (const [index, input] of inputs.entries()) {
      const output = outputs[job]?.[index]
      t.deepEqual(Array.from(output?.embedding ?? []), expectedVector(input))
      t.deepEqual(Array.from(output?.promptTokenIds ?? []), input)
    }
  }
  t.true(runner.calls.every(({ tokenIds }) => tokenIds.length <= 64))
  t.true(runner.calls.some(({ part }) => part !== undefined))
  t.true(runner.calls.some(({ startLoc }) => startLoc.length > 3))
  await engine.close()
})

test('an encoder gets long sequences whole', async t => {
  const { engine, runner } = await createEmbeddingEngine(
    { pooling: { takesParts: false } },
    { maxNumBatchedTokens: 64 },
  )
  const [output] = await engine.embed([ids(300, 1)])
  t.deepEqual(Array.from(output?.embedding ?? []), expectedVector(ids(300, 1)))
  t.is(runner.calls.length, 1)
  await engine.close()
})

test('one text does not wait for a job of thousands', async t => {
  const { engine, runner } = await createEmbeddingEngine({}, { maxNumBatchedTokens: 64 })
  const many = engine.embed(Array.from({ length: 2000 }, (_, index) => ids(16, index)))
  await engine.embed([ids(16, 5)])
  t.true(runner.calls.length < 20, `${runner.calls.length} calls`)
  t.is((await many).length, 2000)
  await engine.close()
})

test('steps and calls take turns', async t => {
  const { engine, runner } = await createEmbeddingEngine({}, { maxNumBatchedTokens: 64 })
  const params = new SamplingParams({ temperature: 0, maxTokens: 40, ignoreEos: true })
  const stream = engine.add({ requestId: 'one', promptTokenIds: [1, 2, 3], params })
  const embedding = engine.embed(Array.from({ length: 400 }, (_, index) => ids(16, index)))
  const output = await stream.final()
  t.is(output.outputs[0]?.tokenIds.length, 40)
  // The generation ended long before the job did: a step between every two calls.
  const lastStep = runner.order.lastIndexOf('step')
  t.true(runner.order.slice(0, lastStep).filter(kind => kind === 'embed').length <= 42, runner.order.join(' '))
  t.is((await embedding).length, 400)
  await engine.close()
})

test('what fails takes its own requests along, and no other', async t => {
  const { engine } = await createEmbeddingEngine({
    onEmbed: ({ tokenIds }) => {
      if (tokenIds.includes(13)) throw new Error('thirteen')
    },
  })
  await t.throwsAsync(engine.embed([[13]]), { message: 'thirteen' })
  t.is((await engine.embed([[12]])).length, 1)
  await engine.close()
})

test('an aborted call ends at once, also in the middle of a long sequence', async t => {
  const controller = new AbortController()
  const { engine, runner } = await createEmbeddingEngine(
    { onEmbed: ({ part }) => void (part?.numComputed === 128 && controller.abort(new Error('enough'))) },
    { maxNumBatchedTokens: 64 },
  )
  const error = await t.throwsAsync(engine.embed([ids(4000, 1)], { signal: controller.signal }), {
    instanceOf: RequestAbortedError,
  })
  t.is(((error as Error).cause as Error).message, 'enough')
  t.is(engine.numRequests, 0)
  const numCalls = runner.calls.length
  const [next] = await engine.embed([ids(200, 2)])
  t.deepEqual(Array.from(next?.embedding ?? []), expectedVector(ids(200, 2)))
  t.true(numCalls < 8)
  await t.throwsAsync(engine.embed([[1]], { signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
  await engine.close()
})

test('closing ends calls that wait; abortAll too', async t => {
  const gate: { open?: () => void } = {}
  const closed = new Promise<void>(resolve => {
    gate.open = resolve
  })
  const { engine } = await createEmbeddingEngine({ onEmbed: () => closed })
  const aborted = engine.embed([[1]])
  engine.embed([[1]]).catch(() => {})
  while (engine.numRequests < 2) await new Promise(resolve => setImmediate(resolve))
  engine.abortAll()
  await t.throwsAsync(aborted, { code: 'ERR_ABORTED' })
  t.is(engine.numRequests, 0)
  const waiting = engine.embed([[1]])
  while (engine.numRequests < 1) await new Promise(resolve => setImmediate(resolve))
  const closing = engine.close()
  await t.throwsAsync(waiting, { instanceOf: EngineClosedError })
  gate.open?.()
  await closing
  await t.throwsAsync(engine.embed([[1]]), { instanceOf: EngineClosedError })
})

test('a drain brings calls to their end', async t => {
  const { engine } = await createEmbeddingEngine({}, { maxNumBatchedTokens: 64 })
  const waiting = engine.embed(Array.from({ length: 300 }, (_, index) => ids(16, index)))
  await new Promise(resolve => setImmediate(resolve))
  await engine.close({ drain: true })
  t.is((await waiting).length, 300)
})

test('a pause holds calls back', async t => {
  const { engine, runner } = await createEmbeddingEngine()
  await engine.pause('keep')
  const waiting = engine.embed([[1, 2]])
  await new Promise(resolve => setTimeout(resolve, 20))
  t.is(runner.calls.length, 0)
  engine.resume()
  t.is((await waiting).length, 1)
  await engine.close()
})

test('what cannot be is refused by name', async t => {
  const { engine } = await createEmbeddingEngine({ pooling: { dimensions: [1, 2] } })
  const rows: [readonly (string | number[])[], object, string, string | undefined][] = [
    [[[]], {}, 'ERR_PROMPT_EMPTY', undefined],
    [[[2048]], {}, 'ERR_TOKEN_OUT_OF_RANGE', undefined],
    [[[-1]], {}, 'ERR_TOKEN_OUT_OF_RANGE', undefined],
    [[[1.5]], {}, 'ERR_TOKEN_OUT_OF_RANGE', undefined],
    [[ids(4097, 1)], {}, 'ERR_PROMPT_TOO_LONG', undefined],
    [['text'], {}, 'ERR_INVALID_ARGUMENT', 'input'],
    [[[1]], { dimensions: 4 }, 'ERR_INVALID_ARGUMENT', 'dimensions'],
    [[[1]], { dimensions: 0 }, 'ERR_INVALID_ARGUMENT', 'dimensions'],
    [[[1]], { pooling: 'first' }, 'ERR_INVALID_ARGUMENT', 'pooling'],
    [[[1]], { normalize: 1 }, 'ERR_INVALID_ARGUMENT', 'normalize'],
    [[[1]], { truncatePromptTokens: 0 }, 'ERR_INVALID_ARGUMENT', 'truncatePromptTokens'],
    [[[1]], { truncatePromptTokens: 5000 }, 'ERR_INVALID_ARGUMENT', 'truncatePromptTokens'],
    [[[1]], { truncationSide: 'middle' }, 'ERR_INVALID_ARGUMENT', 'truncationSide'],
    [[[1]], { signal: 7 }, 'ERR_INVALID_ARGUMENT', 'signal'],
  ]
  for (const [inputs, options, code, parameter] of rows) {
    const error = await t.throwsAsync(engine.embed(inputs as string[], options), { code }, JSON.stringify([options]))
    if (parameter !== undefined) t.is((error as { parameter?: string }).parameter, parameter)
  }
  t.deepEqual(await engine.embed([]), [])
  await engine.close()
})

test('vectors are cut, then normalised; ids are cut at the end that is named', async t => {
  const { engine } = await createEmbeddingEngine()
  const embedded = async (input: number[], options: object) =>
    Array.from((await engine.embed([input], options))[0]?.embedding ?? [])
  t.deepEqual(await embedded([3, 4], { dimensions: 2 }), [2, 7])
  const [one, two] = await embedded([3, 4], { dimensions: 2, normalize: true })
  t.true(Math.abs(Math.hypot(one as number, two as number) - 1) < 1e-6)
  t.true(Math.abs((one as number) / (two as number) - 2 / 7) < 1e-6)
  t.deepEqual(await embedded([5, 6, 7], { truncatePromptTokens: 2 }), expectedVector([5, 6]))
  t.deepEqual(await embedded([5, 6, 7], { truncatePromptTokens: 2, truncationSide: 'left' }), expectedVector([6, 7]))
  await engine.close()
})

test('a framework without pooling says so', async t => {
  const { engine } = await createFakeEngine()
  const error = await t.throwsAsync(engine.embed([[1]]), { instanceOf: NotSupportedError })
  t.regex(error?.message ?? '', /gives no embeddings/)
  await t.throwsAsync(engine.score([['a', 'b']]), { instanceOf: NotSupportedError })
  await engine.close()
})
