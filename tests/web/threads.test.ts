// Several threads in a real browser, on a page that is cross-origin isolated: the tokens of one thread, and what a page can say
// about threads.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import anyTest, { type ExecutionContext } from 'ava'
import { type QuirePage, QuireSite, whyNoPage } from './quire-page.js'

const MODULE = 'wasm/threads/quire_bg.wasm'
const isBuilt = existsSync(fileURLToPath(new URL(`../../ts/${MODULE}`, import.meta.url)))
const why =
  whyNoPage() ?? (isBuilt ? undefined : `there is no ts/${MODULE}: npm run build:wasm wants the sources of Rust's std`)
const test = why === undefined ? anyTest.serial : anyTest.skip
const titleOf = (title: string) => (why === undefined ? title : `${title} (${why})`)

const PROMPTS = ['Once upon a time', 'Lily and her dog', 'What is the capital of France?', 'One day, a boy'.repeat(30)]

const ALL_PARAMS = [
  { temperature: 0, maxTokens: 24 },
  { temperature: 0.9, topK: 40, topP: 0.95, maxTokens: 24, seed: 7 },
]

/** An isolated page, with what is said on its console. */
async function isolatedPage(t: ExecutionContext): Promise<{ site: QuireSite; page: QuirePage; warnings: string[] }> {
  const site = await QuireSite.open()
  site.server.isolates = true
  t.teardown(() => site.close())
  const page = await site.page()
  const warnings: string[] = []
  page.page.on('console', message => {
    if (message.type() === 'warning') warnings.push(message.text())
  })
  t.true(await page.run<boolean>('return crossOriginIsolated'))
  return { site, page, warnings }
}

function tokensWith({ run }: QuirePage, threads: number): Promise<number[][][]> {
  return run(
    `const llm = await quire.LLM.create({ model: '/model/', dtype: 'float32', threads: given.threads })
     const tokens = []
     for (const params of given.all) {
       const outputs = await llm.generate(given.prompts, params)
       tokens.push(outputs.map(({ outputs }) => outputs[0].tokenIds))
     }
     await llm.close()
     return tokens`,
    { prompts: PROMPTS, all: ALL_PARAMS, threads },
  )
}

test(titleOf('an isolated page has the tokens of one thread with three, greedy and sampled'), async t => {
  const { site, page, warnings } = await isolatedPage(t)
  const one = await tokensWith(page, 1)
  const loaded = () => new Set(site.server.requests.map(({ path }) => path))
  t.true(loaded().has('/quire/wasm/relaxed/quire_bg.wasm'))
  t.false(loaded().has(`/quire/${MODULE}`), 'the build without threads ran')
  t.deepEqual(await tokensWith(page, 3), one)
  t.true(loaded().has(`/quire/${MODULE}`), 'the build with threads ran')
  t.deepEqual([...warnings, ...page.visit.errors], [])
})

test(titleOf('a thread that cannot be started, or a build that is not there, is done without, and said'), async t => {
  const { site, page, warnings } = await isolatedPage(t)
  const one = await tokensWith(page, 1)
  let numScripts = 0
  site.server.intercept = (_, response, path) => {
    if (!path.endsWith('/worker.js')) return false
    numScripts += 1
    if (numScripts <= 2) return false // of the loop, and of texts
    response.writeHead(404).end()
    return true
  }
  t.deepEqual(await tokensWith(page, 2), one)
  t.is(numScripts, 3)
  t.regex(warnings.join('\n'), /computes with 1 of 2 threads/)

  const other = await isolatedPage(t)
  other.site.server.intercept = (_, response, path) =>
    path === `/quire/${MODULE}` && Boolean(response.writeHead(404).end())
  t.deepEqual(await tokensWith(other.page, 2), one)
  t.regex(other.warnings.join('\n'), /build with threads cannot be loaded/)
})

test(titleOf('a page that is not isolated has one thread, whatever it asks for'), async t => {
  const site = await QuireSite.open()
  t.teardown(() => site.close())
  const page = await site.page()
  const codes = await page.run<(string | undefined)[]>(
    `const codes = []
     for (const threads of [4, 0, 1.5]) {
       try {
         const llm = await quire.LLM.create({ model: '/model/', threads })
         codes.push((await llm.generate('Once', { maxTokens: 1 })).outputs[0].finishReason)
         await llm.close()
       } catch (error) {
         codes.push(error.code)
       }
     }
     return codes`,
  )
  t.deepEqual(codes, ['length', 'ERR_INVALID_ARGUMENT', 'ERR_INVALID_ARGUMENT'])
  t.false(site.server.requests.some(({ path }) => path === `/quire/${MODULE}`))
})
