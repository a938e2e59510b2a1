// Collectives: with one rank every framework has them; with several, those that say so, and a model in shards.

import type { Framework, ReduceOperation } from '../../plugin/framework.js'
import type { OpenedFramework, RankGroup } from '../../plugin/framework-plugin.js'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { expectCode, expectEqual } from '../expectations.js'
import { expectLogits, randomTokens, show } from '../logits-check.js'
import { ModelSession } from '../model-session.js'
import { freeRendezvous, type PluginSubject } from '../plugin-subject.js'
import { counting, read } from './tensor-cases.js'

const group = 'collectives'
const TIMEOUT_MS = 60_000

/** Opens every rank, gives them to `work`, and closes them. */
async function withRanks(
  subject: PluginSubject,
  worldSize: number,
  work: (ranks: readonly OpenedFramework[], groups: readonly RankGroup[]) => Promise<string | undefined>,
): Promise<string | undefined> {
  const rendezvous = await freeRendezvous()
  const groups = Array.from({ length: worldSize }, (_, rank) => ({ rank, worldSize, rendezvous }))
  const ranks: OpenedFramework[] = []
  try {
    ranks.push(...(await Promise.all(groups.map(one => subject.open({ group: one })))))
    const joined = ranks.map(({ framework }, rank) => {
      return framework.initProcessGroup({ ...(groups[rank] as RankGroup), timeoutMs: TIMEOUT_MS })
    })
    await Promise.all(joined)
    return await work(ranks, groups)
  } finally {
    await Promise.all(ranks.map(({ close }) => close()))
  }
}

function needRanks({ options }: PluginSubject): number {
  const { worldSize = 1 } = options
  if (worldSize < 2) skip('one rank was asked for (the option worldSize asks for more)')
  return worldSize
}

const reductions: Readonly<Record<ReduceOperation, (values: readonly number[]) => number>> = {
  sum: values => values.reduce((a, b) => a + b, 0),
  max: values => Math.max(...values),
  min: values => Math.min(...values),
}

/** Tensors of rank r hold 10 * r + 0, 1, ... */
async function tryCollectives(frameworks: readonly Framework[], subject: PluginSubject): Promise<void> {
  const { device } = subject
  const elements = frameworks.map((_, rank) => counting(6, 10 * rank))
  for (const dtype of ['float32', 'int32'] as const) {
    const make = (framework: Framework, rank: number) => {
      return framework.view(framework.tensor(elements[rank] as number[], { dtype, device }), [2, 3])
    }
    for (const [operation, reduce] of Object.entries(reductions) as [ReduceOperation, (typeof reductions)['sum']][]) {
      const expected = counting(6).map(index => reduce(elements.map(each => each[index] as number)))
      await Promise.all(
        frameworks.map(async (framework, rank) => {
          const reduced = await framework.allReduce(make(framework, rank), operation)
          expectEqual([...reduced.shape], [2, 3], `shape of allReduce ${operation}`)
          expectEqual(await read(framework, reduced), expected, `allReduce ${operation} of ${dtype} on rank ${rank}`)
        }),
      )
    }
    for (const [dim, shape, expected] of [
      [0, [2 * frameworks.length, 3], elements.flat()],
      [-1, [2, 3 * frameworks.length], [0, 3].flatMap(at => elements.flatMap(each => each.slice(at, at + 3)))],
    ] as const) {
      await Promise.all(
        frameworks.map(async (framework, rank) => {
          const gathered = await framework.allGather(make(framework, rank), dim)
          expectEqual([...gathered.shape], shape, `shape of allGather along ${dim}`)
          expectEqual(await read(framework, gathered), expected, `allGather along ${dim} on rank ${rank}`)
        }),
      )
    }
    for (const source of frameworks.keys()) {
      await Promise.all(
        frameworks.map(async (framework, rank) => {
          const sent = await framework.broadcast(make(framework, rank), source)
          expectEqual(await read(framework, sent), elements[source], `broadcast from ${source} on rank ${rank}`)
        }),
      )
    }
  }
  await Promise.all(frameworks.map(framework => framework.barrier()))
}

export const collectiveCases: readonly ConformanceCase[] = [
  {
    name: 'one rank: sums, maxima, minima, gathered, broadcast',
    group,
    run: async subject => {
      const framework = await subject.framework()
      const rendezvous = await freeRendezvous()
      await framework.initProcessGroup({ rank: 0, worldSize: 1, rendezvous, timeoutMs: TIMEOUT_MS })
      try {
        await tryCollectives([framework], subject)
        const tensor = framework.tensor([1, 2], { dtype: 'float32', device: subject.device })
        await expectCode(() => framework.broadcast(tensor, 3), [/^ERR_/], 'broadcast from a rank that is not there')
      } finally {
        await framework.destroyProcessGroup()
      }
      return undefined
    },
  },
  {
    name: 'several ranks: sums, maxima, minima, gathered, broadcast',
    group,
    run: async subject => {
      const worldSize = needRanks(subject)
      return withRanks(subject, worldSize, async ranks => {
        const frameworks = ranks.map(({ framework }) => framework)
        await tryCollectives(frameworks, subject)
        await Promise.all(frameworks.map(framework => framework.destroyProcessGroup()))
        return `${worldSize} ranks`
      })
    },
  },
  {
    name: 'several ranks: a model in shards',
    group,
    run: async subject => {
      const worldSize = needRanks(subject)
      const checkpoint = await subject.checkpoint()
      return withRanks(subject, worldSize, async (ranks, groups) => {
        const sessions = await Promise.all(
          ranks.map((opened, rank) => {
            const target = subject.target(groups[rank] as RankGroup)
            return ModelSession.open(opened, subject.sessionOptions(checkpoint, target))
          }),
        )
        const prompts = [21, 6].map((length, index) => randomTokens(97 + index, length, checkpoint.config.vocabSize))
        const plan = [[13, 6, 1, 1], [0, 5, 1]] // biome-ignore format: one line is the plan
        const followed = sessions.map(session => {
          const sequences = prompts.map(tokenIds => session.start(tokenIds))
          return session.follow(sequences, plan)
        })
        const [found] = await Promise.all(followed)
        await Promise.all(sessions.map(session => session.close()))
        const tolerance = subject.toleranceOf(subject.dtype)
        const errors = prompts.map((tokenIds, index) => {
          return expectLogits(
            found?.[index] ?? [],
            checkpoint.reference.logits(tokenIds),
            tolerance,
            `sequence ${index}`,
          )
        })
        return `${worldSize} ranks, largest error ${show(Math.max(...errors))}`
      })
    },
  },
]
