// Steps over the wire: what goes in shared memory, what comes back, and what an error leaves behind.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { loadNative, shareMemory } from '../../ts/src/binding/node.js'
import { nextId } from '../engine/fake-plugin.js'
import { batchOf, cpu, FakeWorker } from './fake-worker.js'
import { python, withoutPython } from './python.js'

const wire = python === undefined ? test.skip : test.serial
const why = python === undefined ? ` (${withoutPython})` : ''

wire(`a step's words and logits lie in shared memory, whose name is gone once both have it${why}`, async t => {
  const paths: string[] = []
  const native = await loadNative()
  const worker = await FakeWorker.open(t, {}, byteLength => {
    const memory = shareMemory(native, byteLength, {})
    paths.push(memory.path)
    return memory
  })
  const { runner, model, step } = await worker.bringUp()
  t.deepEqual([model.architecture, model.vocabSize > 0], ['LlamaForCausalLM', true])
  t.deepEqual([paths.length, paths.some(existsSync)], [1, false])
  for (const tokenIds of [[5], [1, 2, 3], [4, 3, 2, 1, 0, 5, 6]]) {
    t.is(await step(tokenIds), nextId(tokenIds, model.vocabSize))
  }
  t.is(runner.logitsMemory?.(), runner.logitsMemory?.())
})

wire(`logits come into other memory too, and a step above the limits is refused${why}`, async t => {
  const { runner, model } = await (await FakeWorker.open(t)).bringUp()
  const row = (at: number) => ({ sequenceId: at, tokenIds: [at], numComputed: 0, blockTable: [at], samples: true })
  const logits = new Float32Array(2 * model.vocabSize)
  await runner.execute(batchOf([row(1), row(2)]), logits)
  t.is(logits.subarray(model.vocabSize).indexOf(1), nextId([2], model.vocabSize))
  const many = Array.from({ length: 5 }, (_, index) => row(1 + index))
  t.throws(() => runner.execute(batchOf(many), logits), { code: 'ERR_INTERNAL' })
})

const stepErrors: readonly (readonly [fault: string, code: string, message: RegExp])[] = [
  ['step-out-of-memory', 'ERR_OUT_OF_MEMORY', /no memory left/],
  ['step-raise', 'ERR_RUNNER', /ValueError: no such kernel/],
  ['step-exit', 'ERR_RUNNER', /asked to exit \(3\)/],
]
for (const [fault, code, message] of stepErrors) {
  wire(`${fault}: the step fails, the next one runs in the same process${why}`, async t => {
    const worker = await FakeWorker.open(t, { QUIRE_FAKE_FAULT: fault })
    const { step, model } = await worker.bringUp()
    const pid = worker.processes.worker()
    const error = await t.throwsAsync(step([1, 2]), { code, message })
    t.regex(
      String((error as { details?: { traceback?: string } }).details?.traceback),
      /Traceback|SystemExit|WorkerError/,
    )
    t.is(await step([1, 2]), nextId([1, 2], model.vocabSize))
    t.is(worker.processes.worker(), pid)
  })
}

wire(`what a framework prints disturbs nothing${why}`, async t => {
  const { step, model } = await (await FakeWorker.open(t, { QUIRE_FAKE_FAULT: 'step-print' })).bringUp()
  t.is(await step([3]), nextId([3], model.vocabSize))
})

wire(`memory that cannot be had is an error of the call that asks for it${why}`, async t => {
  const worker = await FakeWorker.open(t)
  const { framework } = worker.opened
  framework.zeros([1 << 27], { dtype: 'float32', device: cpu })
  await t.throwsAsync(framework.synchronize(), { code: 'ERR_OUT_OF_MEMORY', message: /no room for/ })
  await framework.synchronize()
  const failing = await FakeWorker.open(t, { QUIRE_FAKE_FAULT: 'load-out-of-memory' })
  const error = await t.throwsAsync(failing.load(), { code: 'ERR_OUT_OF_MEMORY' })
  t.is((error as { details?: { neededBytes?: number } }).details?.neededBytes, 2 ** 40)
})

const smallFolder = mkdtempSync(join(tmpdir(), 'quire-full-'))
const isMounted = mountSmall(smallFolder)
test.after.always('the small file system is gone', () => {
  if (isMounted) execFileSync('umount', [smallFolder])
  rmSync(smallFolder, { recursive: true })
})

// Never asked of the system's own shared memory: it would be filled to the brim before it refused.
const full = isMounted ? wire : test.skip
const noMount = isMounted ? why : ' (this user may not mount a file system of 64 KiB)'
full(`shared memory that is full is an error of profile, and the worker goes on${noMount}`, async t => {
  const worker = await FakeWorker.open(t, { QUIRE_SHARED_MEMORY: smallFolder })
  const { runner, model } = await worker.load()
  const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 8, maxModelLen: 8, maxLogitsRows: 4, blockSize: 4 }
  const maxLogitsRows = Math.ceil((1 << 20) / model.vocabSize / 4)
  await t.throwsAsync(runner.profile({ ...limits, maxLogitsRows }), { code: 'ERR_OUT_OF_MEMORY' })
  t.deepEqual(readdirSync(smallFolder), [])
  await runner.profile(limits)
  t.is(runner.logitsMemory?.().length, 4 * model.vocabSize)
})

function mountSmall(path: string): boolean {
  if (process.platform !== 'linux') return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

wire(`tensors larger than a frame travel in parts${why}`, async t => {
  const { framework } = (await FakeWorker.open(t)).opened
  const numRows = 3000
  const data = Float32Array.from({ length: numRows * 1024 }, (_, index) => index)
  const tensor = framework.view(framework.zeros([data.length], { dtype: 'float32', device: cpu }), [numRows, 1024])
  await framework.copyFromHost(tensor, data)
  const back = new Float32Array(data.length)
  await framework.copyToHost(tensor, back)
  t.true(back.every((value, index) => value === index))
  const column = new Float32Array(numRows)
  await framework.copyToHost(framework.narrow(tensor, 1, 7, 1), column)
  t.true(column.every((value, index) => value === index * 1024 + 7))
})

wire(`several workers run side by side, and end apart${why}`, async t => {
  const workers = await Promise.all([FakeWorker.open(t), FakeWorker.open(t)])
  const [one, other] = await Promise.all(workers.map(worker => worker.bringUp()))
  const said = await Promise.all([one?.step([1]), other?.step([2, 2])])
  t.deepEqual(said, [nextId([1], one?.model.vocabSize ?? 0), nextId([2, 2], one?.model.vocabSize ?? 0)])
  await workers[0]?.opened.close()
  t.is(await other?.step([9]), nextId([9], one?.model.vocabSize ?? 0))
})

wire(`where a unix socket's path would be too long, loopback TCP serves${why}`, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'quire-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const long = join(folder, 'a-folder-with-a-long-name-'.repeat(4))
  await mkdir(long)
  const worker = await FakeWorker.open(t, { TMPDIR: long })
  const { step, model } = await worker.bringUp()
  t.is(await step([1, 2, 3]), nextId([1, 2, 3], model.vocabSize))
  t.true(
    worker.processes.list().every(({ command }) => !command.includes('quire_worker') || command.includes('--port')),
  )
})
