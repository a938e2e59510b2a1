// An app of Next.js, built by `next build` and run by `next start` as it is in production, with Quire from its tarballs. Next.js is large
// and slow to build with: the test runs where it is asked for.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { LLM } from 'quire-llm'
import { cachedPackages } from '../apps/cached-packages.js'
import { InstalledApp } from '../apps/installed-app.js'
import { unpackTarballs } from '../apps/own-tarballs.js'
import { isDefault } from '../apps/plugin-packages.js'
import { NEXT, nextApp } from './next-app.js'

const PROMPT = 'Once upon a time'

const packages =
  process.env.QUIRE_TEST_NEXT === '1'
    ? await cachedPackages('next', NEXT)
    : { reason: 'its packages are 340 MB and building takes a minute: set QUIRE_TEST_NEXT=1' }

/** Where `next start` listens: it says so, with the port that the system chose. */
function addressOf(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const hear = (piece: Buffer) => {
      said += piece
      const [address] = /http:\/\/127\.0\.0\.1:[1-9]\d*/.exec(said) ?? []
      if (address !== undefined && /Ready/.test(said)) resolve(address)
    }
    server.stdout?.on('data', hear)
    server.stderr?.on('data', hear)
    server.once('error', reject)
    server.once('exit', code => reject(new Error(`next start ended with code ${code}: ${said}`)))
  })
}

if (typeof packages !== 'string') {
  test.skip(`Next.js: ${packages.reason}`, () => {})
} else {
  test('Next.js: route handlers have an engine, and are an OpenAI server', async t => {
    const folder = await mkdtemp(join(packages, 'app-'))
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
    await unpackTarballs(folder, isDefault)
    await new InstalledApp(folder).write(nextApp(packages))
    const next = join(packages, 'node_modules/next/dist/bin/next')
    const options = { cwd: folder, env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' } }
    await promisify(execFile)(process.execPath, [next, 'build'], options)

    const server = spawn(process.execPath, [next, 'start', '--port', '0', '--hostname', '127.0.0.1'], options)
    t.teardown(() => server.kill('SIGKILL'))
    const address = await addressOf(server)

    await using llm = await LLM.create({ numBlocks: 64, threads: 1 })
    const expected = (await llm.generate(PROMPT, { temperature: 0, maxTokens: 8 })).outputs[0]?.text
    const text = await fetch(`${address}/text?prompt=${encodeURIComponent(PROMPT)}`)
    t.deepEqual(await text.json(), { text: expected })

    const ask = (key: string) =>
      fetch(`${address}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify({ model: 'quire-tiny', prompt: PROMPT, max_tokens: 8, temperature: 0, stream: true }),
      })
    t.is((await ask('another')).status, 401)
    const events = await (await ask('key')).text()
    const pieces = events.split('\n\n').flatMap(event => (/^data: \{/.test(event) ? [JSON.parse(event.slice(6))] : []))
    t.is(pieces.map(({ choices }) => choices[0]?.text ?? '').join(''), String(expected))
    t.true(events.trimEnd().endsWith('data: [DONE]'))
  })
}
