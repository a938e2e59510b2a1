// Several ranks of one model: they agree on the smallest cache, run every step together, and fail together.

import test from 'ava'
import { bundledModelDirectory } from '../../ts/src/config/bundled-model.js'
import { parseEngineOptions } from '../../ts/src/config/node.js'
import { WorkerError } from '../../ts/src/errors.js'
import { Executor } from '../../ts/src/executor/index.js'
import { freeRendezvous } from '../../ts/src/executor/rendezvous.js'
import type { Framework, RankGroup, Tensor } from '../../ts/src/plugin/index.js'
import { cpu, type FakeOptions, FakeRunner, fakeFramework } from '../engine/fake-plugin.js'

/** Ranks whose collectives meet in this process. */
class Meeting {
  readonly #values: number[] = []
  readonly #waiting: ((least: number) => void)[] = []

  minimum(value: number, worldSize: number): Promise<number> {
    return new Promise(resolve => {
      this.#values.push(value)
      this.#waiting.push(resolve)
      if (this.#values.length === worldSize) for (const resolve of this.#waiting) resolve(Math.min(...this.#values))
    })
  }
}

interface Rank {
  readonly group: RankGroup | undefined
  readonly runner: FakeRunner
  readonly calls: string[]
}

/** Two ranks with so much memory each. */
async function createRanks(freeBytes: readonly number[], fakes: readonly FakeOptions[] = [{}, {}]) {
  const { cache, scheduler } = parseEngineOptions({ model: bundledModelDirectory(), blockSize: 4 }, process.cwd())
  const ranks: Rank[] = []
  const meeting = new Meeting()
  const executor = await Executor.create(
    async group => {
      const rank = group?.rank ?? 0
      const calls: string[] = []
      const runner = new FakeRunner(fakes[rank] ?? {}, 4)
      const values = new WeakMap<Tensor, Int32Array>()
      const framework: Framework = {
        ...fakeFramework(freeBytes[rank], calls),
        initProcessGroup: async options => {
          calls.push(`initProcessGroup(${options.rank} of ${options.worldSize})`)
        },
        tensor: (data, { device }) => {
          const made: Tensor = { shape: [1], strides: [1], offset: 0, dtype: 'int32', device }
          values.set(made, data as Int32Array)
          return made
        },
        allReduce: async tensor => {
          values.set(tensor, Int32Array.of(await meeting.minimum(values.get(tensor)?.[0] ?? -1, group?.worldSize ?? 1)))
          return tensor
        },
        copyToHost: async (tensor, into) => {
          ;(into as Int32Array).set(values.get(tensor) as Int32Array)
        },
      }
      ranks.push({ group, runner, calls })
      return { device: cpu, framework, createRunner: async () => runner, close: async () => void calls.push('close()') }
    },
    {
      modelPath: '',
      dtype: 'float32',
      threads: undefined,
      eager: false,
      ownThread: false,
      worldSize: freeBytes.length,
      restart: false,
      maxModelLen: 32,
      cache,
      scheduler,
      freeRendezvous,
    },
    () => {},
  )
  return { executor, ranks }
}

test('every rank joins one group and allocates what the poorest has room for', async t => {
  const { executor, ranks } = await createRanks([64 * 1024, 16 * 1024])
  t.deepEqual(new Set(ranks.map(({ group }) => group?.rank)), new Set([0, 1]))
  t.is(ranks[0]?.group?.rendezvous, ranks[1]?.group?.rendezvous)
  t.regex(ranks[0]?.group?.rendezvous ?? '', /^tcp:\/\/127\.0\.0\.1:\d+$/)
  const alone = await createRanks([16 * 1024], [{}])
  t.is(executor.cacheInfo.numBlocks, alone.executor.cacheInfo.numBlocks)
  t.is(executor.cacheInfo.bytes, 2 * alone.executor.cacheInfo.bytes)
  for (const { calls } of ranks) t.true(calls.some(call => call.startsWith(`zeros(2,${executor.cacheInfo.numBlocks}`)))
  await executor.close()
  for (const { calls } of ranks) t.is(calls.at(-1), 'close()')
})

test('a rank that fails in a step ends the group, and names the cause', async t => {
  const failing = {
    onStep: () => {
      throw new Error('no such kernel')
    },
  }
  const { executor, ranks } = await createRanks([64 * 1024, 64 * 1024], [{}, failing])
  const batch = { sequenceIds: [], slotMapping: [], logitsIndices: [], logitsRows: [] } as never
  const step = () => executor.execute(batch, new Float32Array(0))
  const error = await t.throwsAsync(step(), { instanceOf: WorkerError, message: /no such kernel/ })
  t.is(executor.lost, error as WorkerError)
  for (const { calls } of ranks) t.is(calls.at(-1), 'close()')
  await t.throwsAsync(step(), { is: error as WorkerError })
  await executor.close()
})
