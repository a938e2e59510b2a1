// The loop in a thread of its own: the same tokens as in this one, aborts that free blocks, errors with class and code.

import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { fromPortable, toPortable } from '../../ts/src/engine/portable-error.js'
import {
  type CreateOptions,
  Engine,
  EngineError,
  InvalidArgumentError,
  ModelError,
  RequestAbortedError,
  type SamplingOptions,
  SamplingParams,
  TokenizerError,
} from '../../ts/src/index.js'

const options: CreateOptions = { numBlocks: 200, seed: 5 }
const texts = ['Once upon a time', 'The little dog', 'One day, a boy', 'There was a big tree']

let requests = 0
async function start(
  engine: Engine,
  text: string,
  sampling: SamplingOptions = {},
  more: { signal?: AbortSignal } = {},
) {
  const [promptTokenIds] = await engine.encode([text], true)
  requests += 1
  const params = new SamplingParams({ maxTokens: 40, ...sampling })
  return engine.add({ requestId: `r${requests}`, promptTokenIds: promptTokenIds as Int32Array, params, ...more })
}

/** Waits until nothing runs and every block is free. */
async function allFree(engine: Engine): Promise<boolean> {
  for (const end = performance.now() + 120_000; performance.now() < end; ) {
    const { numRunning, numWaiting, numFreeBlocks, numUsableBlocks } = engine.stats()
    if (numRunning + numWaiting === 0 && numFreeBlocks === numUsableBlocks) return true
    await delay(5)
  }
  return false
}

test('the same outputs as a loop in this thread', async t => {
  const engines = [await Engine.create(options), await Engine.create(options, 'inline')]
  const [apart, here] = await Promise.all(
    engines.map(engine =>
      Promise.all(
        texts.map(async (text, index) => {
          const sampling = index % 2 === 0 ? { temperature: 0, logprobs: 2 } : { temperature: 0.9, seed: index, n: 2 }
          const output = await (await start(engine, text, { ...sampling, promptLogprobs: 1 })).final()
          const { requestId, metrics, ...rest } = output
          t.true((metrics.firstScheduledMs as number) <= (metrics.firstTokenMs as number))
          return rest
        }),
      ),
    ),
  )
  t.deepEqual(apart, here)
  t.true((apart?.[0]?.outputs[0]?.text ?? '').length > 20)
  for (const engine of engines) t.true(await allFree(engine))
  await Promise.all(engines.map(engine => engine.close()))
})

test('deltas add up, and a stop string ends a text at once', async t => {
  await using engine = await Engine.create(options)
  const whole = await (await start(engine, texts[0] as string, { temperature: 0 })).final()
  const text = whole.outputs[0]?.text ?? ''
  let streamed = ''
  for await (const part of await start(engine, texts[0] as string, { temperature: 0, outputKind: 'delta' }))
    streamed += part.outputs[0]?.text ?? ''
  t.is(streamed, text)
  const stop = text.slice(10, 16)
  const stopped = await (await start(engine, texts[0] as string, { temperature: 0, stop: [stop] })).final()
  t.like(stopped.outputs[0], { text: text.slice(0, text.indexOf(stop)), finishReason: 'stop', stopReason: stop })
  t.true(await allFree(engine))
})

test('a signal, an abort and a broken loop free every block', async t => {
  await using engine = await Engine.create(options)
  const long = { maxTokens: 400, ignoreEos: true }
  const controller = new AbortController()
  // Standing still, none ends before it is left.
  await engine.pause('keep')
  const signalled = await start(engine, texts[0] as string, long, { signal: controller.signal })
  const aborted = await start(engine, texts[1] as string, long)
  const early = await start(engine, texts[2] as string, long)
  early.abort() // before the scheduler has it
  await aborted.admitted
  aborted.abort()
  controller.abort(new Error('enough'))
  engine.resume()
  for await (const _ of await start(engine, texts[3] as string, { ...long, outputKind: 'delta' })) break
  for (const stream of [signalled, aborted, early]) {
    const error = await t.throwsAsync(stream.final(), { instanceOf: RequestAbortedError })
    t.is((error as EngineError | undefined)?.code, 'ERR_ABORTED')
  }
  t.true(await allFree(engine))
  t.is(engine.numRequests, 0)
})

test('generate: a prompt of any kind, deltas or all so far, and a signal', async t => {
  await using engine = await Engine.create(options)
  const params = { temperature: 0, maxTokens: 12 }
  const seen: string[] = []
  // A reader that the machine keeps waiting finds all of it at once, and looks again.
  while (seen.length < 2) {
    seen.length = 0
    for await (const output of engine.generate({
      prompt: 'Once upon a time',
      params: { temperature: 0, maxTokens: 200 },
    }))
      seen.push(output.outputs[0]?.text ?? '')
  }
  t.true(seen.every((text, index) => text.startsWith(seen[index - 1] ?? '')))
  let deltas = ''
  const prompt = { messages: [{ role: 'user', content: 'Tell me a story.' }] }
  for await (const output of engine.generate({ prompt, params: { ...params, outputKind: 'delta' } }))
    deltas += output.outputs[0]?.text ?? ''
  t.true(deltas.length > 10)
  const signal = AbortSignal.timeout(30)
  const endless = { prompt: 'One day', params: { maxTokens: 400, ignoreEos: true } }
  await t.throwsAsync(
    async () => {
      for (;;) for await (const _ of engine.generate(endless, { signal }));
    },
    { instanceOf: RequestAbortedError },
  )
  t.true(await allFree(engine))
})

test('what cannot be is refused at once, and others go on', async t => {
  await using engine = await Engine.create(options)
  const going = await start(engine, 'One day', { maxTokens: 30, ignoreEos: true })
  const params = new SamplingParams()
  t.throws(() => engine.add({ requestId: 'x', promptTokenIds: [1 << 30], params }), {
    code: 'ERR_TOKEN_OUT_OF_RANGE',
  } as object)
  t.throws(() => engine.add({ requestId: 'x', promptTokenIds: [], params }), { code: 'ERR_PROMPT_EMPTY' } as object)
  t.is((await going.final()).outputs[0]?.tokenIds.length, 30)
})

test('an error crosses with class, code, details and cause', t => {
  const cause = new TypeError('not a function')
  const errors = [
    new InvalidArgumentError('topP', 'topP is wrong.', 7),
    new ModelError('ERR_MODEL_INVALID', 'broken', { details: { path: 'x', wrong: () => 1 }, cause }),
    new RequestAbortedError(),
    new TokenizerError('no'),
    cause,
  ]
  for (const error of errors) {
    const crossed = fromPortable(structuredClone(toPortable(error)))
    t.is(crossed.constructor, error instanceof EngineError ? error.constructor : Error)
    t.deepEqual([crossed.name, crossed.message], [error.name, error.message])
    t.is((crossed as EngineError).code, (error as EngineError).code)
    t.is((crossed.cause as Error | undefined)?.message, (error.cause as Error | undefined)?.message)
  }
  t.is((fromPortable(toPortable(errors[0])) as InvalidArgumentError).parameter, 'topP')
})

test('what fails in the thread while the model is brought up keeps its class', async t => {
  await t.throwsAsync(Engine.create({ model: 'no/such/folder' }), { instanceOf: ModelError })
  const error = await t.throwsAsync(Engine.create({ ...options, blockSize: 16, maxModelLen: 1 << 30 }), {
    instanceOf: InvalidArgumentError,
  })
  t.is((error as InvalidArgumentError).parameter, 'maxModelLen')
  await t.throwsAsync(Engine.create({ tokenizer: 'tests' }), { instanceOf: TokenizerError })
})

test('pause: what runs is kept, ended or awaited; new requests wait', async t => {
  await using engine = await Engine.create(options)
  const whole = (await (await start(engine, texts[0] as string, { temperature: 0, maxTokens: 60 })).final()).outputs[0]
  const kept = await start(engine, texts[0] as string, { temperature: 0, maxTokens: 60 })
  await engine.pause('keep')
  const { numSteps } = engine.stats()
  await delay(50)
  t.is(engine.stats().numSteps, numSteps)
  engine.resume()
  t.deepEqual((await kept.final()).outputs[0]?.tokenIds, whole?.tokenIds)

  const awaited = await start(engine, texts[1] as string)
  const pausing = engine.pause('wait')
  const later = await start(engine, texts[2] as string)
  t.true((await awaited.final()).finished)
  await pausing
  await delay(20)
  t.false(later.ended)
  engine.resume()
  t.true((await later.final()).finished)

  const ended = await start(engine, texts[1] as string, { maxTokens: 400, ignoreEos: true })
  await engine.pause('abort')
  await t.throwsAsync(ended.final(), { instanceOf: RequestAbortedError })
  engine.resume()
  t.is(await engine.resetPrefixCache(), true)
})

test('close ends what runs; with drain it lets it finish; health tells', async t => {
  const engine = await Engine.create(options)
  t.deepEqual(engine.health(), { status: 'ok' })
  const running = await start(engine, texts[0] as string, { maxTokens: 50, ignoreEos: true })
  const closing = engine.close({ drain: true })
  t.is((await running.final()).outputs[0]?.tokenIds.length, 50)
  await closing
  t.is(engine.health().status, 'closed')
  await t.throwsAsync(start(engine, 'x'), { code: 'ERR_CLOSED' } as object)

  const other = await Engine.create(options)
  const ended = await start(other, texts[0] as string, { maxTokens: 400, ignoreEos: true })
  await other.close()
  await t.throwsAsync(ended.final(), { code: 'ERR_CLOSED' } as object)
})

test('observers hear of steps and of requests, however they end', async t => {
  await using engine = await Engine.create(options)
  let scheduled = 0
  const reasons: string[] = []
  const stop = engine.observe({
    stepped: numTokens => {
      scheduled += numTokens
    },
    ended: (output, _, error) => reasons.push(error?.name ?? output.outputs[0]?.finishReason ?? 'none'),
  })
  const output = await (await start(engine, texts[0] as string, { maxTokens: 5, ignoreEos: true })).final()
  const aborted = await start(engine, texts[1] as string)
  aborted.abort()
  await t.throwsAsync(aborted.final())
  t.is(scheduled >= output.promptTokenIds.length + 4, true)
  t.deepEqual(reasons, ['length', 'AbortError'])
  stop()
  await (await start(engine, texts[0] as string, { maxTokens: 2 })).final()
  t.is(reasons.length, 2)
})

test('an idle engine that nobody closes does not keep the process alive', async t => {
  const program = `
    import { Engine, SamplingParams } from 'quire-llm'
    const engine = await Engine.create({ numBlocks: 50 })
    const request = { requestId: 'a', promptTokenIds: [1, 2, 3], params: new SamplingParams({ maxTokens: 8, ignoreEos: true }) }
    console.log((await engine.add(request).final()).outputs[0].tokenIds.length)`
  const root = fileURLToPath(new URL('../../', import.meta.url))
  // Flags that no thread takes for its own are the process's alone.
  for (const flags of [[], ['--max-old-space-size=900', '--expose-gc']]) {
    const run = [...flags, '--input-type=module', '-e', program]
    const { stdout } = await promisify(execFile)(process.execPath, run, { cwd: root, timeout: 240_000 })
    t.is(stdout.trim(), '8')
  }
})
