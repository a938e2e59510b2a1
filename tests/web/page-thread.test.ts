// The page's thread stays free: while a model with a large vocabulary is loaded, and while it generates, no task there computes for
// as long as a user would notice. What counts is the time that tasks computed, so that other programs may be busy meanwhile; on a
// machine on which parsing the tokenizer's JSON alone is a long task, that is the measure.

import anyTest from 'ava'
import { QuireSite, whyNoPage } from './quire-page.js'

const why = whyNoPage()
const test = why === undefined ? anyTest.serial : anyTest.skip

/** What browsers call a long task. */
const LONG_TASK_MS = 50
const NUM_PROMPTS = 16
const NUM_TOKENS = 48

/** A byte-level tokenizer as large as those of models with 130,000 tokens. */
function largeTokenizer(): string {
  const bytes = [...Array(0x200).keys()].filter(isByteCharacter).map(code => String.fromCharCode(code))
  const pairs = bytes.flatMap(first => bytes.map(second => [first, second] as const))
  const triples = pairs.slice(0, 90_000 - 256).flatMap(([first, second], index) => {
    const third = bytes[(index * 7) % bytes.length] as string
    return [[first + second, third] as const]
  })
  const merges = [...pairs, ...triples]
  const pieces = [...new Set([...bytes, ...merges.map(pair => pair.join(''))])]
  return JSON.stringify({
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: merges.map(pair => pair.join(' ')),
    },
  })
}

/** One of the characters by which byte-level vocabularies write bytes. */
function isByteCharacter(code: number): boolean {
  const isPrintable = (code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xff && code !== 0xad)
  return isPrintable || (code >= 0x100 && code <= 0x143)
}

interface TraceEvent {
  readonly ph: string
  readonly name: string
  readonly pid: number
  readonly tid: number
  /** Microseconds that its thread computed. */
  readonly tdur?: number
  readonly args?: { readonly name?: string }
}

/** For how long each task on the main threads of pages computed, the longest first. */
function taskTimesMs(trace: string): number[] {
  const { traceEvents } = JSON.parse(trace) as { traceEvents: TraceEvent[] }
  const threadOf = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`
  const mains = new Set(
    traceEvents.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain').map(threadOf),
  )
  return traceEvents
    .filter(event => event.ph === 'X' && event.name.endsWith('RunTask') && mains.has(threadOf(event)))
    .map(({ tdur = 0 }) => tdur / 1000)
    .sort((a, b) => b - a)
}

test(`a page has no long task, neither of a large vocabulary nor while it generates${why ? ` (${why})` : ''}`, async t => {
  const site = await QuireSite.open()
  t.teardown(() => site.close())
  const tokenizer = Buffer.from(largeTokenizer())
  site.server.intercept = (_, response, path) => {
    if (!path.startsWith('/large/')) return false
    const body = path === '/large/tokenizer.json' ? tokenizer : undefined
    response.writeHead(body ? 200 : 404, { 'content-length': body?.length ?? 0 }).end(body)
    return true
  }
  const { page, run } = await site.page()
  const browser = page.context().browser()
  const traced = async <T>(work: () => Promise<T>): Promise<{ value: T; longestMs: number; numTasks: number }> => {
    await browser?.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] })
    const value = await work()
    const times = taskTimesMs(String(await browser?.stopTracing()))
    t.log(`longest of ${times.length} tasks: ${times[0]} ms`)
    return { value, longestMs: times[0] ?? Number.NaN, numTasks: times.length }
  }

  const parsed = await traced(() =>
    run<number>(
      `const text = await (await fetch('/large/tokenizer.json')).text()
       return JSON.parse(text).model.merges.length`,
    ),
  )
  const allowedMs = Math.max(LONG_TASK_MS, parsed.longestMs)
  t.true(parsed.value > 130_000)

  const loaded = await traced(() =>
    run<boolean>(
      `globalThis.llm = await quire.LLM.create({ model: '/model/', tokenizer: '/large/' })
       const words = 'Once upon a time. '.repeat(2000)
       return llm.detokenize(await llm.tokenize(words)) === words`,
    ),
  )
  t.true(loaded.value, 'texts survive the tokenizer')
  t.true(loaded.numTasks > 0)
  t.true(loaded.longestMs < allowedMs, `a task of ${loaded.longestMs} ms while loading`)

  const generated = await traced(() =>
    run<number>(
      `const prompts = Array.from({ length: given.numPrompts }, (_, index) => [1, 300 + index, 400])
       const outputs = await llm.generate(prompts, { temperature: 0, maxTokens: given.numTokens, ignoreEos: true })
       let streamed = 0
       for await (const { outputs } of llm.stream([1, 300], { temperature: 0, maxTokens: given.numTokens, ignoreEos: true }))
         streamed += outputs[0].tokenIds.length
       await llm.close()
       return streamed + outputs.reduce((sum, { outputs }) => sum + outputs[0].tokenIds.length, 0)`,
      { numPrompts: NUM_PROMPTS, numTokens: NUM_TOKENS },
    ),
  )
  t.is(generated.value, (NUM_PROMPTS + 1) * NUM_TOKENS)
  t.true(generated.longestMs < allowedMs, `a task of ${generated.longestMs} ms while generating`)
})
