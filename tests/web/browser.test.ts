// `quire-llm/web` in a real browser, over the WebAssembly module: the tokens of the native engine, in batches, by grammars, with
// signals; and a Worker that ends.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import anyTest, { type ExecutionContext } from 'ava'
import { build } from 'esbuild'
import { LLM } from 'quire-llm'
import { sharedModels } from '../parity/golden-model.js'
import { type QuirePage, QuireSite, whyNoPage } from './quire-page.js'

const why = whyNoPage()
const run = why === undefined ? anyTest.serial : anyTest.skip

let bundles: string
let site: QuireSite
if (why === undefined) {
  anyTest.before(async () => {
    bundles = mkdtempSync(join(tmpdir(), 'quire-bundles-'))
    site = await QuireSite.open({ bundles, ...(sharedModels !== undefined && { shared: sharedModels }) })
  })
  anyTest.after.always(async () => {
    await site?.close()
    if (bundles !== undefined) rmSync(bundles, { recursive: true, force: true })
  })
}

function test(title: string, body: (t: ExecutionContext, page: QuirePage) => Promise<void>): void {
  run(why === undefined ? title : `${title} (${why})`, async t => {
    const page = await site.page()
    try {
      await body(t, page)
      t.deepEqual(
        page.visit.errors.filter(error => !NOT_THERE.test(error)),
        [],
      )
    } finally {
      await page.close()
    }
  })
}

/** What a test wants to be missing. */
const NOT_THERE = /^Failed to load resource/

const PROMPTS = ['Once upon a time', 'Lily and her dog', 'What is the capital of France?', 'One day, a boy']
const SAMPLED = { temperature: 0.9, topK: 40, topP: 0.95, maxTokens: 24, seed: 7 }
const GREEDY = { temperature: 0, maxTokens: 24 }

test('prompts together have the tokens of the native engine, greedy and sampled', async (t, { run }) => {
  const given = { prompts: PROMPTS, all: [GREEDY, SAMPLED] }
  const found = await run<number[][][]>(
    `const llm = await quire.LLM.create({ model: '/model/', dtype: 'float32' })
     const results = []
     for (const params of given.all) {
       const outputs = await llm.generate(given.prompts, params)
       results.push(outputs.map(({ outputs }) => outputs[0].tokenIds))
     }
     await llm.close()
     return results`,
    given,
  )
  await using llm = await LLM.create({ dtype: 'float32' })
  for (const [index, params] of given.all.entries()) {
    const outputs = await llm.generate(PROMPTS, params, { progress: false })
    t.deepEqual(
      found[index],
      outputs.map(({ outputs }) => [...(outputs[0]?.tokenIds ?? [])]),
    )
  }
})

test('streams, chats, objects, prefixes, signals and vectors', async (t, { run }) => {
  const found = await run<Record<string, unknown>>(
    `const llm = await quire.LLM.create({ model: new URL('/model/', location.href), seed: 1 })
     const found = {}
     let text = ''
     for await (const { outputs } of llm.stream('Once upon a time', given.greedy)) text += outputs[0].text
     found.streams = text === (await llm.generate('Once upon a time', given.greedy)).outputs[0].text
     const chat = await llm.chat([{ role: 'user', content: 'What is the capital of France?' }], given.greedy)
     found.chat = chat.outputs[0].text
     const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'], additionalProperties: false }
     found.object = typeof (await llm.generateObject('A number:', schema, { temperature: 1, maxTokens: 200 })).object.n
     const long = 'Once upon a time there was a girl who liked to play in the park with her dog. '.repeat(3)
     await llm.generate([long + 'a', long + 'b'], given.greedy)
     await llm.generate(long + 'c', given.greedy)
     found.hits = llm.stats().prefixCacheHits > 0
     const stop = new AbortController()
     try {
       for await (const _ of llm.stream('Once', { maxTokens: 400, ignoreEos: true }, { signal: stop.signal })) stop.abort()
     } catch (error) {
       found.aborted = error.code
     }
     found.vector = (await llm.embed('Hello')).embedding.length === llm.modelInfo.hiddenSize
     const words = 'Once upon a time. '.repeat(400)
     found.tokenized = llm.detokenize(await llm.tokenize(words)).trim() === words.trim()
     try {
       await llm.generate('x', { temperature: -1 })
     } catch (error) {
       found.refused = [error.code, error instanceof quire.InvalidArgumentError]
     }
     await llm.close()
     try {
       await llm.generate('x')
     } catch (error) {
       found.closed = error.code
     }
     return found`,
    { greedy: GREEDY },
  )
  t.truthy(found.chat)
  t.like(found, {
    streams: true,
    object: 'number',
    hits: true,
    aborted: 'ERR_ABORTED',
    vector: true,
    tokenized: true,
    refused: ['ERR_INVALID_ARGUMENT', true],
    closed: 'ERR_CLOSED',
  })
})

test('a Worker that ends is an error for everybody who waits, and the page goes on', async (t, { page, run }) => {
  await run(
    `globalThis.llm = await quire.LLM.create({ model: '/model/' })
     globalThis.ended = llm.generate(['a', 'b'], { maxTokens: 480, ignoreEos: true, n: 8 }).then(
       () => 'generated', error => error.code)`,
  )
  await page.workers()[0]?.evaluate('self.close()')
  t.is(await run('return ended'), 'ERR_WORKER')
  t.deepEqual(
    await run(
      `const status = llm.engine.health().status
       const again = await quire.LLM.create({ model: '/model/' })
       const { outputs } = await again.generate('Once', given)
       return [status, outputs[0].tokenIds.length]`,
      { ...GREEDY, ignoreEos: true },
    ),
    ['dead', GREEDY.maxTokens],
  )
  await run(`globalThis.third = await quire.LLM.create({ model: '/model/' })`)
  await page.workers().at(-1)?.evaluate('self.close()')
  const [code, status] = await run<string[]>(
    `const code = await third.tokenize('x').then(() => 'tokenized', error => error.code)
     return [code, third.engine.health().status]`,
  )
  // By when the page has heard of it.
  t.true(code === 'ERR_WORKER' || code === 'ERR_CLOSED', code)
  t.is(status, 'dead', 'the Worker that reads texts')
})

test('what cannot be loaded is a typed error, and the page goes on', async (t, { run }) => {
  let weightsAsked = 0
  site.server.intercept = ({ method }, response, path) => {
    const [, folder = '', file = ''] = path.split('/')
    const length = { broken: 64, quantised: 64, huge: 6 * 2 ** 30 }[folder]
    if (length === undefined) return false
    if (file === 'config.json') {
      const config = {
        architectures: [folder === 'quantised' ? 'LlamaForCausalLM' : 'NoSuchModel'],
        quantization_config: { quant_method: 'bitsandbytes' },
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(config))
    } else if (file !== 'model.safetensors') response.writeHead(404).end()
    else {
      if (method !== 'HEAD') weightsAsked += 1
      response.writeHead(200, { 'content-length': length }).end(method === 'HEAD' ? undefined : Buffer.alloc(64, 1))
    }
    return true
  }
  const codes = await run<string[]>(
    `const codes = []
     for (const options of given) {
       try {
         await quire.LLM.create(options)
         codes.push('loaded')
       } catch (error) {
         codes.push(error.code)
       }
     }
     const llm = await quire.LLM.create({ model: '/model/' })
     codes.push((await llm.generate('Once', { maxTokens: 1 })).outputs[0].finishReason)
     return codes`,
    [
      { model: '/nothing/', storage: 'none' },
      { model: '/broken/', storage: 'none', loadTokenizer: false },
      { model: '/quantised/', storage: 'none', loadTokenizer: false },
      { model: '/model/', maxModelLen: 1 << 20 },
      { model: '/model/', assets: { wasm: '/nothing' } },
      { model: '/model/', sha256: { 'model.safetensors': '0'.repeat(64) } },
      { model: '/huge/', loadTokenizer: false },
      { model: '/huge/', storage: 'none', loadTokenizer: false },
    ],
  )
  site.server.intercept = undefined
  t.deepEqual(codes.slice(0, 3), ['ERR_MODEL_NOT_FOUND', 'ERR_MODEL_UNSUPPORTED', 'ERR_MODEL_UNSUPPORTED'])
  t.deepEqual(codes.slice(3, 6), ['ERR_INVALID_ARGUMENT', 'ERR_NATIVE_BINDING', 'ERR_HUB_DOWNLOAD'])
  t.deepEqual(codes.slice(6), ['ERR_OUT_OF_MEMORY', 'ERR_OUT_OF_MEMORY', 'length'])
  t.is(weightsAsked, 0, 'no byte of weights that cannot fit, or that nobody can run, was asked for')
})

test("the AI SDK's provider streams from it, in a bundle that names where the assets are", async (t, { run }) => {
  await build({
    stdin: {
      contents: `export { streamText } from 'ai'
        export { createQuire } from '@quire-llm/ai-sdk'
        export { LLM } from 'quire-llm/web'`,
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    outfile: join(bundles, 'ai.js'),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    logLevel: 'silent',
  })
  const [streamed, chatted, reason] = await run<string[]>(
    `const { LLM, createQuire, streamText } = await import('/bundles/ai.js')
     const assets = { worker: '/quire/dist/web/worker.js', wasm: '/quire/wasm' }
     const llm = await LLM.create({ model: '/model/', assets })
     const prompt = 'What is the capital of France?'
     const result = streamText({ model: createQuire(llm)('quire'), prompt, temperature: 0, maxOutputTokens: 24 })
     let streamed = ''
     for await (const delta of result.textStream) streamed += delta
     const chat = await llm.chat([{ role: 'user', content: prompt }], given)
     return [streamed, chat.outputs[0].text, await result.finishReason]`,
    GREEDY,
  )
  t.is(streamed?.trim(), chatted?.trim())
  t.truthy(streamed)
  t.true(reason === 'stop' || reason === 'length', reason)
})

const golden = sharedModels === undefined ? undefined : join(sharedModels, 'stories260K', 'golden.json')
if (golden !== undefined && existsSync(golden)) {
  test('stories260K says what transformers made it say', async (t, { run }) => {
    const { cases } = JSON.parse(readFileSync(golden, 'utf8')) as {
      cases: {
        prompt_token_ids: number[]
        max_tokens: number
        output_token_ids: number[]
        suppress_token_ids: number[]
      }[]
    }
    const asked = cases.filter(({ suppress_token_ids: suppressed }) => suppressed.length === 0)
    const found = await run<number[][]>(
      `const llm = await quire.LLM.create({ model: '/shared/stories260K/', dtype: 'float32' })
       const outputs = await llm.generate(given.map(({ ids }) => ids), given.map(({ maxTokens }) => ({ temperature: 0, maxTokens })))
       await llm.close()
       return outputs.map(({ outputs }) => outputs[0].tokenIds)`,
      asked.map(one => ({ ids: one.prompt_token_ids, maxTokens: one.max_tokens })),
    )
    t.deepEqual(
      found,
      asked.map(one => one.output_token_ids),
    )
  })
}
