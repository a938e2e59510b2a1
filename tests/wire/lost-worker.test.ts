// Workers that die, hang or speak nonsense: the call in flight and every later one fail with a typed error that has their last
// words, and no process is left.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { nextId } from '../engine/fake-plugin.js'
import { FakeWorker } from './fake-worker.js'
import { MarkedProcesses } from './marked-processes.js'
import { python, withoutPython } from './python.js'

const wire = python === undefined ? test.skip : test.serial
const why = python === undefined ? ` (${withoutPython})` : ''

/** Three times the pause between two signs of life. */
const QUIRE_HEARTBEAT_TIMEOUT_MS = '6000'

interface Details {
  readonly pid: number
  readonly signal: string | null
  readonly exitCode: number | null
  readonly stderr: string
  readonly call?: string
}

/** The promise rejects with a WorkerError; what follows rejects too, and every process ends. */
async function isLost(
  t: ExecutionContext,
  worker: FakeWorker,
  call: Promise<unknown>,
  message: RegExp,
): Promise<Details> {
  const error = await t.throwsAsync(call, { code: 'ERR_WORKER', message })
  await t.throwsAsync(worker.opened.framework.synchronize(), { code: 'ERR_WORKER' })
  t.deepEqual(await worker.processes.left(), [])
  return (error as unknown as { details: Details }).details
}

wire(`killed while idle: the next call says so${why}`, async t => {
  const worker = await FakeWorker.open(t)
  const { step } = await worker.bringUp()
  process.kill(worker.processes.worker(), 'SIGKILL')
  t.deepEqual(await worker.processes.left(), [])
  const details = await isLost(t, worker, step([1]), /was killed by SIGKILL \(by a person, or .* want of memory\)/)
  t.is(details.signal, 'SIGKILL')
})

const endings: readonly (readonly [fault: string, message: RegExp, stderr?: RegExp])[] = [
  ['step-die', /was killed by SIGKILL.* during execute\.\nIts last words:\na device was lost$/s, /a device was lost/],
  ['step-leave', /exited with code 3 during execute/],
  ['step-garbage', /spoke nonsense: a frame says it has 4294967295 bytes.* during execute/],
  ['step-no-msgpack', /spoke nonsense: a frame of 1 bytes is no msgpack/],
  ['step-stray-reply', /spoke nonsense: it answered call 0, expected execute/],
  ['step-wrong', /answered step 8 instead of 7/],
]
for (const [fault, message, stderr = /^/] of endings) {
  wire(`${fault}: the step fails with the reason${why}`, async t => {
    const worker = await FakeWorker.open(t, { QUIRE_FAKE_FAULT: fault, QUIRE_FAKE_STEP: '2' })
    const { step, model } = await worker.bringUp()
    t.is(await step([1]), nextId([1], model.vocabSize))
    const details = await isLost(t, worker, step([1, 2]), message)
    t.regex(details.stderr, stderr)
  })
}

for (const fault of ['step-hang', 'step-stop']) {
  wire(`${fault}: the watchdog ends a step that takes too long${why}`, async t => {
    const worker = await FakeWorker.open(t, { QUIRE_FAKE_FAULT: fault, QUIRE_STEP_TIMEOUT_MS: '1000' })
    const { step } = await worker.bringUp()
    await isLost(t, worker, step([1]), /did not answer a step within 1 s \(QUIRE_STEP_TIMEOUT_MS\) during execute/)
  })
}

wire(`a step that compiles may take longer, for its heartbeats tell${why}`, async t => {
  const variables = { QUIRE_FAKE_FAULT: 'step-compile', QUIRE_FAKE_SECONDS: '4', QUIRE_STEP_TIMEOUT_MS: '2500' }
  const { step, model } = await (await FakeWorker.open(t, variables)).bringUp()
  t.is(await step([1, 2]), nextId([1, 2], model.vocabSize))
})

wire(`a compiler that gives no sign of life hangs${why}`, async t => {
  const times = { QUIRE_STEP_TIMEOUT_MS: '1000', QUIRE_HEARTBEAT_TIMEOUT_MS }
  const worker = await FakeWorker.open(t, { QUIRE_FAKE_FAULT: 'step-compile-stop', ...times })
  const { step } = await worker.bringUp()
  await isLost(t, worker, step([1]), /hangs: it gave no sign of life for 6 s during execute|did not answer a step/)
})

wire(`dies in load: the error has the signal and its last words${why}`, async t => {
  const worker = await FakeWorker.open(t, { QUIRE_FAKE_FAULT: 'load-die' })
  const message = /was killed by SIGSEGV during loadModel\.\nIts last words:\n.*the loader lost its mind/s
  const { signal, call } = await isLost(t, worker, worker.load(), message)
  t.deepEqual([signal, call], ['SIGSEGV', 'loadModel'])
})

wire(`hangs in load: no sign of life ends it${why}`, async t => {
  const worker = await FakeWorker.open(t, { QUIRE_FAKE_FAULT: 'load-stop', QUIRE_HEARTBEAT_TIMEOUT_MS })
  await isLost(t, worker, worker.load(), /hangs: it gave no sign of life for 6 s during loadModel/)
})

wire(`closing ends a worker that does not listen, and what it waits for fails as closed${why}`, async t => {
  const worker = await FakeWorker.open(t, { QUIRE_FAKE_FAULT: 'step-stop' })
  const { step } = await worker.bringUp()
  const failing = t.throwsAsync(step([1]), { code: 'ERR_CLOSED' })
  await worker.opened.close()
  await failing
  t.deepEqual(await worker.processes.left(), [])
})

wire(`processes that a framework started end with the worker${why}`, async t => {
  for (const ending of ['close', 'kill']) {
    const worker = await FakeWorker.open(t, { QUIRE_FAKE_FAULT: 'grandchild' })
    await worker.load()
    t.true(await worker.processes.runs('sleep 600'))
    if (ending === 'close') await worker.opened.close()
    else process.kill(worker.processes.worker(), 'SIGKILL')
    t.deepEqual(await worker.processes.left(), [], ending)
  }
})

const parents: readonly (readonly [ending: string, fault: string, code: number | null])[] = [
  ['wait', 'grandchild', null],
  ['loading', 'load-stop', null],
  ['leave', 'grandchild', 0],
  ['throw', 'grandchild', 1],
]
for (const [ending, fault, code] of parents) {
  const how = code === null ? 'is killed' : `ends by itself (code ${code})`
  wire(`nothing outlives the app's process that ${how} (${ending}, ${fault})${why}`, async t => {
    const processes = new MarkedProcesses()
    const env = { ...process.env, QUIRE_PYTHON: python, QUIRE_FAKE_FAULT: fault, ...processes.env }
    const program = fileURLToPath(new URL('parent.mjs', import.meta.url))
    const parent = spawn(process.execPath, [program, ending], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    parent.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const exited = once(parent, 'exit')
    const [said] = await Promise.race([once(parent.stdout, 'data'), exited])
    t.is(String(said), 'ready\n', stderr)
    if (code === null) {
      t.true(processes.list().length > 1)
      parent.kill('SIGKILL')
    }
    t.is((await exited)[0], code)
    t.deepEqual(await processes.left(), [])
  })
}
