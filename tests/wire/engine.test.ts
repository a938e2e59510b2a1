// The whole engine over a worker's process, as an app has it: tokens, and what becomes of requests when the process dies.

import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type EngineOptions, LLM } from 'quire-llm'
import { registerPlugin } from 'quire-llm/plugin'
import { expectedIds } from '../engine/fake-plugin.js'
import { fakePlugin, fixture } from './fake-worker.js'
import { MarkedProcesses } from './marked-processes.js'
import { python, withoutPython } from './python.js'

const wire = python === undefined ? test.skip : test.serial
const why = python === undefined ? ` (${withoutPython})` : ''

const prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10], [1, 2, 3, 11]]
const params = { temperature: 0, maxTokens: 6, ignoreEos: true }

interface Started {
  readonly llm: LLM
  readonly processes: MarkedProcesses
  /** Greedy ids of a prompt, or the code of its error and of the cause. */
  run(prompt: readonly number[]): Promise<number[] | string>
  expected(prompt: readonly number[]): number[]
}

async function start(
  t: ExecutionContext,
  variables: Readonly<Record<string, string>>,
  options: EngineOptions = {},
): Promise<Started> {
  const processes = new MarkedProcesses()
  const folder = await mkdtemp(join(tmpdir(), 'quire-test-'))
  const set = { QUIRE_PYTHON: python as string, QUIRE_FAKE_ONCE: join(folder, 'once'), ...processes.env, ...variables }
  Object.assign(process.env, set)
  registerPlugin(fakePlugin())
  const llm = await LLM.create({
    model: fixture,
    framework: 'fake',
    loadTokenizer: false,
    blockSize: 4,
    numBlocks: 64,
    maxModelLen: 64,
    ...options,
  })
  t.teardown(async () => {
    await llm.close()
    for (const name of Object.keys(set)) delete process.env[name]
    await rm(folder, { recursive: true })
    const left = await processes.left()
    if (left.length > 0) throw new Error(`Processes are left: ${left.join('; ')}`)
  })
  const run = async (prompt: readonly number[]): Promise<number[] | string> => {
    const tokenIds: number[] = []
    try {
      for await (const output of llm.stream({ promptTokenIds: [...prompt] }, params)) {
        tokenIds.push(...(output.outputs[0]?.tokenIds ?? []))
      }
    } catch (error) {
      const { code, cause } = error as { code?: string; cause?: { code?: string } }
      return `${code} of ${cause?.code}`
    }
    return tokenIds
  }
  const { vocabSize } = llm.modelInfo
  return { llm, processes, run, expected: prompt => expectedIds(prompt, params.maxTokens, vocabSize) }
}

for (const [title, options] of [
  ['all at once', {}],
  ['in chunks of two tokens', { maxNumBatchedTokens: 2, maxNumSeqs: 2 }],
] as const) {
  wire(`every prompt gets its own ids, ${title}${why}`, async t => {
    const { run, expected } = await start(t, {}, options)
    t.deepEqual(await Promise.all(prompts.map(run)), prompts.map(expected))
  })
}

wire(`a step that runs out of memory fails its requests, others go on${why}`, async t => {
  const { run, expected } = await start(
    t,
    { QUIRE_FAKE_FAULT: 'step-out-of-memory', QUIRE_FAKE_STEP: '3' },
    { maxNumSeqs: 1 },
  )
  t.deepEqual(await Promise.all(prompts.map(run)), [
    'ERR_RUNNER of ERR_OUT_OF_MEMORY',
    ...prompts.slice(1).map(expected),
  ])
})

for (const fault of ['step-die', 'step-garbage', 'step-wrong', 'step-hang']) {
  wire(`${fault} with restart: who had a token fails, who had none runs again${why}`, async t => {
    const variables = {
      QUIRE_FAKE_FAULT: fault,
      QUIRE_FAKE_STEP: '3',
      // The steps before and after the one that hangs must not take as long.
      ...(fault === 'step-hang' && { QUIRE_STEP_TIMEOUT_MS: '4000' }),
    }
    const { llm, processes, run, expected } = await start(t, variables, { restart: true, maxNumSeqs: 1 })
    const before = processes.worker()
    t.deepEqual(await Promise.all(prompts.map(run)), ['ERR_WORKER of ERR_WORKER', ...prompts.slice(1).map(expected)])
    t.not(processes.worker(), before)
    t.deepEqual(await run(prompts[0] as number[]), expected(prompts[0] as number[]))
    t.is(llm.stats().numRunning + llm.stats().numWaiting, 0)
  })
}

wire(`killed while idle, with restart: the next request finds another worker${why}`, async t => {
  const { processes, run, expected } = await start(t, {}, { restart: true })
  process.kill(processes.worker(), 'SIGKILL')
  await processes.left()
  t.deepEqual(await Promise.all(prompts.map(run)), prompts.map(expected))
})

wire(`without restart: requests fail with the reason, and the app goes on${why}`, async t => {
  const { run } = await start(t, { QUIRE_FAKE_FAULT: 'step-die' })
  t.deepEqual(
    await Promise.all(prompts.map(run)),
    prompts.map(() => 'ERR_WORKER of ERR_WORKER'),
  )
  t.regex(String(await run([1])), /^ERR_WORKER/)
  t.true(existsSync(fixture))
})
