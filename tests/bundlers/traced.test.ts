// What programs that put servers together copy of an app: the files that @vercel/nft finds by reading code, as Next.js' standalone
// output, Nitro (Nuxt and others) and serverless platforms do. They must be enough to run.

import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { cachedPackages } from '../apps/cached-packages.js'
import { InstalledApp } from '../apps/installed-app.js'
import { unpackTarballs } from '../apps/own-tarballs.js'
import { isDefault } from '../apps/plugin-packages.js'
import { succeeded } from '../apps/run-program.js'

const tracer = await cachedPackages('file-tracing', { dependencies: { '@vercel/nft': '1.11.5' } })

type Trace = (files: string[], options: { base: string }) => Promise<{ fileList: Set<string> }>

async function traceOf(cache: string): Promise<Trace> {
  const path = createRequire(join(cache, 'package.json')).resolve('@vercel/nft')
  return ((await import(pathToFileURL(path).href)) as { nodeFileTrace: Trace }).nodeFileTrace
}

/** An engine in the program's thread, and one in a thread of its own with the server's handler, as a route has it. */
const program = `
import { Engine, LLM } from 'quire-llm'
import { createHandler } from 'quire-llm/server'
const options = { numBlocks: 64, threads: 1 }
const llm = await LLM.create(options)
const { outputs: [output] } = await llm.generate('Once upon a time', { temperature: 0, maxTokens: 8 })
await llm.close()
const engine = await Engine.create(options)
const body = JSON.stringify({ model: 'quire-tiny', prompt: 'Once upon a time', temperature: 0, max_tokens: 8 })
const headers = { 'content-type': 'application/json' }
const request = new Request('http://localhost/v1/completions', { method: 'POST', headers, body })
const { choices: [choice] } = await (await createHandler(engine, { modelNames: ['quire-tiny'] })(request)).json()
await engine.close()
console.log(JSON.stringify([output.text, choice.text]))
`

if (typeof tracer !== 'string') {
  test.skip(`files of a server, found by @vercel/nft: ${tracer.reason}`, () => {})
} else {
  test('an app runs on the files that @vercel/nft finds', async t => {
    const folder = await mkdtemp(join(tmpdir(), 'quire-traced-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const [from, to] = [join(folder, 'app'), join(folder, 'deployed')]
    const app = new InstalledApp(from)
    await app.write({
      'package.json': { name: 'app', private: true, type: 'module', dependencies: { 'quire-llm': '*' } },
      'server.mjs': program,
    })
    await unpackTarballs(from, isDefault)
    const run = [process.execPath, 'server.mjs'] as const
    const expected = succeeded(await app.run([...run]))

    const { fileList } = await (await traceOf(tracer))([join(from, 'server.mjs')], { base: from })
    for (const file of fileList) {
      await mkdir(dirname(join(to, file)), { recursive: true })
      await cp(join(from, file), join(to, file))
    }
    await rm(from, { recursive: true })
    t.is(succeeded(await new InstalledApp(to).run([...run])), expected)
    const [byLlm, byHandler] = JSON.parse(expected) as readonly string[]
    t.regex(byLlm ?? '', /\w/)
    t.is(byHandler, byLlm)
    t.log(`${fileList.size} files`)
  })
}
