// A worker that is lost in a step: who fails, who runs again, and that nobody waits for ever.

import test from 'ava'
import { WorkerError } from '../../ts/src/errors.js'
import { createFakeEngine, expectedIds } from './fake-plugin.js'

/** Throws in the steps of these numbers, counted from 1 over all workers. */
function losing(...steps: number[]): () => void {
  let step = 0
  return () => {
    step += 1
    if (steps.includes(step)) throw new WorkerError(`The worker died in step ${step}`)
  }
}

const idsOf = (output: { outputs: readonly { tokenIds: readonly number[] }[] }) => [
  ...(output.outputs[0]?.tokenIds ?? []),
]

test('requests without a token run again on a new worker; one with tokens fails with the cause', async t => {
  let lost = false
  const onStep = ({ numRows }: { numRows: number }) => {
    if (lost || numRows < 3) return
    lost = true
    throw new WorkerError('The device fell off the bus')
  }
  const { engine, runners, request } = await createFakeEngine({ onStep }, { restart: true })
  const old = engine.add(request([1, 2, 3], { maxTokens: 200 }))[Symbol.asyncIterator]()
  await old.next()
  const streams = [request([1, 2, 3]), request([9, 8, 7, 6, 5])].map(each => engine.add(each))
  const failure = t.throwsAsync(
    async () => {
      while (!(await old.next()).done);
    },
    { instanceOf: WorkerError, message: /fell off the bus/ },
  )
  const [first, second] = await Promise.all(streams.map(stream => stream.final()))
  t.deepEqual(first && idsOf(first), expectedIds([1, 2, 3], 8))
  t.deepEqual(second && idsOf(second), expectedIds([9, 8, 7, 6, 5], 8))
  t.true((await failure)?.cause instanceof WorkerError)
  t.is(runners.length, 2)
  await engine.close()
})

test('with tokens: a typed error that has the cause', async t => {
  const { engine, runners, request } = await createFakeEngine({ onStep: losing(4) }, { restart: true })
  const error = await t.throwsAsync(engine.add(request([1, 2, 3])).final(), { instanceOf: WorkerError })
  t.regex(error?.message ?? '', /died in step 4/)
  t.true(error?.cause instanceof WorkerError)
  t.deepEqual(idsOf(await engine.add(request([4, 5])).final()), expectedIds([4, 5], 8))
  t.is(runners.length, 2)
  await engine.close()
})

test('a new worker knows nothing of cached prompts', async t => {
  const prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  const { engine, request } = await createFakeEngine({ onStep: losing(9) }, { restart: true })
  await engine.add(request(prompt)).final()
  const again = await engine.add(request(prompt)).final()
  t.deepEqual(idsOf(again), expectedIds(prompt, 8))
  t.is(again.numCachedTokens, 0)
  await engine.close()
})

test('a request that loses a second worker fails; others run on a third', async t => {
  const { engine, runners, request } = await createFakeEngine({ onStep: losing(1, 2) }, { restart: true })
  await t.throwsAsync(engine.add(request([1])).final(), { instanceOf: WorkerError, message: /died in step 2/ })
  t.deepEqual(idsOf(await engine.add(request([2])).final()), expectedIds([2], 8))
  t.is(runners.length, 3)
  await engine.close()
})

test('requests may come and go while a worker is started', async t => {
  let opened = () => {}
  const opening = new Promise<void>(resolve => {
    opened = resolve
  })
  let begin = () => {}
  const begun = new Promise<void>(resolve => {
    begin = resolve
  })
  const onOpen = async (numBefore: number) => {
    if (numBefore === 0) return
    begin()
    await opening
  }
  const { engine, request } = await createFakeEngine({ onStep: losing(1), onOpen }, { restart: true })
  const lost = engine.add(request([1, 2]))
  const leaving = engine.add(request([3, 4]))
  await begun
  engine.abort(leaving.requestId)
  const late = engine.add(request([5, 6]))
  opened()
  t.deepEqual(idsOf(await lost.final()), expectedIds([1, 2], 8))
  t.deepEqual(idsOf(await late.final()), expectedIds([5, 6], 8))
  await t.throwsAsync(leaving.final(), { code: 'ERR_ABORTED' })
  t.is(engine.stats().numRunning, 0)
  await engine.close()
})

test('a worker that does not come back ends all, and the engine', async t => {
  const onOpen = (numBefore: number) => {
    if (numBefore > 0) throw new WorkerError('There is no device any more')
  }
  const { engine, request } = await createFakeEngine({ onStep: losing(1), onOpen }, { restart: true })
  await t.throwsAsync(engine.add(request([1])).final(), { instanceOf: WorkerError, message: /no device any more/ })
  t.throws(() => engine.add(request([2])), { code: 'ERR_CLOSED' })
  await engine.close()
})

test('without restart every request fails with the cause, and none hangs', async t => {
  const { engine, runners, request } = await createFakeEngine({ onStep: losing(2) })
  await t.throwsAsync(engine.add(request([1, 2, 3])).final(), { instanceOf: WorkerError, message: /died in step 2/ })
  await t.throwsAsync(engine.add(request([4])).final(), { instanceOf: WorkerError, message: /died in step 2/ })
  t.is(runners.length, 1)
  await engine.close()
})
