// Steps that are heard in one go: a request's first tokens are told at once, later ones together, and nothing is told after
// what ends it.

import test, { type ExecutionContext } from 'ava'
import { type LoopCommand, packStep } from '../../ts/src/engine/loop-messages.js'
import type { LoopEvents } from '../../ts/src/engine/loop-port.js'
import { OutputProcessor } from '../../ts/src/engine/output-processor.js'
import { type LoopLineEvents, RemoteLoop } from '../../ts/src/engine/remote-loop.js'
import { RequestState } from '../../ts/src/engine/request-state.js'
import type { StepNews } from '../../ts/src/engine/step-news.js'
import { SamplingParams } from '../../ts/src/index.js'

const SEQUENCE = 7
const RUNS_ON = 0
const ENDED_BY_LENGTH = 2

function step(tokenId: number, finishReason = RUNS_ON): StepNews {
  const output = {
    sequences: Int32Array.of(SEQUENCE),
    numTokens: Int32Array.of(1),
    finishReasons: Int32Array.of(finishReason),
    stopTokenIds: Int32Array.of(-1),
    numCachedTokens: Int32Array.of(0),
    tokenIds: Int32Array.of(tokenId),
  }
  return { atMs: 0, numScheduledTokens: 1, output }
}

/** A request in a processor, and the token ids of each output that its consumer took. */
function followed(t: ExecutionContext) {
  const ended: RequestState[] = []
  const processor = new OutputProcessor({
    text: undefined,
    detokenizers: undefined,
    abort: () => t.fail('nothing is aborted'),
    ended: state => ended.push(state),
  })
  const params = new SamplingParams({ outputKind: 'delta', detokenize: false, maxTokens: 64 })
  const promptTokenIds = Int32Array.of(1, 2)
  const state = new RequestState({ requestId: 'a', prompt: undefined, promptTokenIds, params, arrivalMs: 0 })
  const heard: (readonly number[])[] = []
  state.onNews(() => {
    const output = state.take()
    if (output !== undefined) heard.push(output.outputs.flatMap(({ tokenIds }) => [...tokenIds]))
  })
  processor.add(state, SEQUENCE)
  return { processor, state, heard, ended }
}

test('the first tokens are told at once, those of later steps together', t => {
  const { processor, heard, ended } = followed(t)
  processor.stepped(step(10))
  t.deepEqual(heard, [[10]])
  processor.stepped(step(11))
  processor.stepped(step(12))
  processor.stepped(step(13, ENDED_BY_LENGTH))
  t.deepEqual([heard.length, ended.length], [1, 0])
  processor.tell()
  t.deepEqual(heard, [[10], [11, 12, 13]])
  t.is(ended.length, 1)
  processor.tell()
  t.deepEqual([heard.length, ended.length], [2, 1])
})

test('a loop elsewhere: a request that is taken back before it was sent is not, and later the loop is told', async t => {
  const turns: (() => void)[] = []
  const sent: LoopCommand[] = []
  let line: LoopLineEvents | undefined
  const nothing = () => {}
  const created = RemoteLoop.create({
    connect: lineEvents => {
      line = lineEvents
      const send = (commands: readonly LoopCommand[]) => void sent.push(...commands)
      return { send, soon: work => turns.push(work), hold: nothing, end: async () => {} }
    },
    events: {
      scheduled: nothing,
      stepped: nothing,
      told: nothing,
      failed: nothing,
      lost: nothing,
      restarted: nothing,
      broke: nothing,
    },
    onProgress: nothing,
  })
  const facts = {} as never
  line?.report({ events: [{ kind: 'ready', facts: { modelInfo: facts, cacheInfo: facts, limits: facts } }] })
  const loop = await created
  const answers: string[] = []
  const add = (name: string) =>
    loop.add({} as never, {
      taken: first => answers.push(`${name} is taken as ${first}`),
      refused: ({ message }) => answers.push(`${name} is refused: ${message}`),
    })
  const flush = () => {
    for (const turn of turns.splice(0)) turn()
  }
  const [takeBackFirst, takeBackSecond, takeBackThird] = [add('first'), add('second'), add('third')]
  takeBackFirst()
  flush()
  t.deepEqual(
    sent.splice(0).map(({ kind }) => kind),
    ['add', 'add'],
  )
  takeBackSecond()
  line?.report({ events: [{ kind: 'taken', ticket: 3, first: 7 }] })
  takeBackThird()
  flush()
  t.deepEqual(sent, [{ kind: 'withdraw', ticket: 2 }])
  line?.lost(new Error('gone'))
  t.deepEqual(answers, ['third is taken as 7', 'second is refused: gone'])
})

test('a loop elsewhere: the first outputs of a turn are told one by one, the rest together, all of them before an end', async t => {
  const { processor, state, heard } = followed(t)
  const turns: (() => void)[] = []
  let line: LoopLineEvents | undefined
  const events: LoopEvents = {
    scheduled: () => {},
    stepped: news => processor.stepped(news),
    told: () => processor.tell(),
    failed: (sequenceIds, cause) => processor.failed(sequenceIds, cause),
    lost: () => {},
    restarted: () => {},
    broke: cause => state.fail(cause as Error),
  }
  const created = RemoteLoop.create({
    connect: lineEvents => {
      line = lineEvents
      return { send: () => {}, soon: work => turns.push(work), hold: () => {}, end: async () => {} }
    },
    events,
    onProgress: () => {},
  })
  const report = (...news: StepNews[]) =>
    line?.report({ events: news.map(each => ({ kind: 'stepped', step: packStep(each) })) })
  const modelInfo = {} as never
  line?.report({ events: [{ kind: 'ready', facts: { modelInfo, cacheInfo: modelInfo, limits: modelInfo } }] })
  await created
  const ids = Array.from({ length: 20 }, (_, index) => index)
  for (const id of ids) report(step(id))
  const alone = ids.slice(0, 16).map(id => [id])
  t.deepEqual(heard, alone)
  t.is(turns.length, 1)
  turns.pop()?.()
  t.deepEqual(heard, [...alone, ids.slice(16)])
  for (const id of ids) report(step(id))
  line?.lost(new Error('gone'))
  t.deepEqual(heard, [...alone, ids.slice(16), ...alone, ids.slice(16)])
  t.is(state.error?.message, 'gone')
})
