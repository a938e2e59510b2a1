// The example app without Electron: its engine process spoken to as the page speaks to it, and packaged as packagers do it.

import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { load } from 'js-yaml'
import { EngineService } from '../../examples/electron/src/engine-service.js'
import { EngineClient } from '../../examples/electron/src/page/engine-client.js'
import { blocksOf, readGuide } from '../docs/guide-blocks.js'
import { fetchPackage } from '../runtimes/fetched-package.js'
import { EngineLine, type LineMessage } from './engine-line.js'
import { type PackagedApp, packagedApp } from './packaged-app.js'

const example = fileURLToPath(new URL('../../examples/electron/', import.meta.url))
const standIn = new URL('./electron-stand-in.mjs', import.meta.url).href
const asarModule = await fetchPackage({ name: '@electron/asar', version: '3.4.1', folder: 'asar', file: 'lib/asar.js' })
const greedy = { temperature: 0, maxTokens: 24 }
const textOf = (said: readonly LineMessage[]) => said.map(({ text = '' }) => text).join('')
let answer: string | undefined
let client: EngineClient

test.serial('fork as the stand-in of utilityProcess: ready, deltas, end, abort, errors, close', async t => {
  const line = new EngineLine(join(example, 'src/engine-process.js'))
  try {
    const ready = await line.next()
    t.like(ready, { kind: 'ready', model: 'LlamaForCausalLM' })
    const said = await line.chat(1, 'Tell me a story.', greedy)
    const end = said.at(-1)
    t.like(end, { kind: 'end', id: 1 }, end?.message)
    answer = textOf(said)
    t.regex(answer, /\w/)
    t.true((end?.numTokens ?? 0) > 0 && (end?.numTokens ?? 99) <= 24)

    line.say({
      kind: 'chat',
      id: 2,
      messages: [{ role: 'user', content: 'x' }],
      sampling: { maxTokens: 400, ignoreEos: true },
    })
    t.is((await line.next()).kind, 'delta')
    line.say({ kind: 'abort', id: 2 })
    t.like((await line.untilEndOf(2)).at(-1), { kind: 'error', id: 2, code: 'ERR_ABORTED' })

    t.like((await line.chat(3, 'x', { temperature: -1 })).at(-1), { kind: 'error', code: 'ERR_INVALID_ARGUMENT' })
    line.say({ kind: 'chat', id: 4, messages: 'none' })
    t.like((await line.untilEndOf(4)).at(-1), { kind: 'error', id: 4 })
    t.is(textOf(await line.chat(5, 'Tell me a story.', greedy)), answer, 'it goes on after all that')
    t.is(await line.close(), 0)
  } finally {
    line.kill()
  }
})

test.serial('a model that is not there is told to the page', async t => {
  const line = new EngineLine(join(example, 'src/engine-process.js'), { env: { QUIRE_MODEL: './no/such/model' } })
  try {
    t.like(await line.next(), { kind: 'failed', code: 'ERR_MODEL_NOT_FOUND' })
    t.is(await line.close(), 0)
  } finally {
    line.kill()
  }
})

test.serial(
  "the page's end of a line, on a MessagePort: answers in pieces, errors with codes, a left loop aborts",
  async t => {
    const service = new EngineService()
    const { port1, port2 } = new MessageChannel()
    const line = service.connect((message: LineMessage) => port1.postMessage(message))
    port1.on('message', message => line.hear(message))
    const states: LineMessage[] = []
    try {
      const state = await new Promise<LineMessage>(resolve => {
        client = new EngineClient(port2, (news: LineMessage) => {
          states.push(news)
          resolve(news)
        })
      })
      t.like(state, { kind: 'ready', model: 'LlamaForCausalLM' })
      const ask = [{ role: 'user', content: 'Tell me a story.' }]
      let text = ''
      for await (const piece of client.chat(ask, greedy)) text += piece
      answer ??= text
      t.is(text, answer)
      await t.throwsAsync(client.chat(ask, { temperature: -1 }).next(), { code: 'ERR_INVALID_ARGUMENT' })
      for await (const _ of client.chat(ask, { maxTokens: 400, ignoreEos: true })) break
      const both = [ask, ask].map(async messages => {
        let one = ''
        for await (const piece of client.chat(messages, greedy)) one += piece
        return one
      })
      t.deepEqual(await Promise.all(both), [text, text])
      const waiting = client.chat(ask, { maxTokens: 400, ignoreEos: true })
      await waiting.next()
      port1.close()
      await t.throwsAsync(
        async () => {
          for await (const _ of waiting);
        },
        { code: 'ERR_CLOSED' },
      )
      t.deepEqual(
        states.map(({ kind }) => kind),
        ['ready', 'failed'],
      )
    } finally {
      port1.close()
      await service.close()
    }
  },
)

if (typeof asarModule !== 'string') {
  test.skip(`packaged: ${asarModule.reason}`, () => {})
} else {
  const packaged: Promise<PackagedApp> = packagedApp(asarModule)
  packaged.catch(() => {}) // told by the first test that awaits it
  test.after.always('the app is removed', async () => (await packaged).remove())

  const inApp = async (env: Readonly<Record<string, string>> = {}) => {
    const { resources } = await packaged
    const program = join(resources, 'app.asar/src/engine-process.js')
    return new EngineLine(program, { execArgv: ['--import', standIn], env })
  }

  test.serial('packaged: native modules, the thread of the loop and weights come from beside the archive', async t => {
    const { files } = await packaged
    const unpacked = [...files].filter(([, isUnpacked]) => isUnpacked).map(([path]) => path)
    t.is(unpacked.filter(path => extname(path) === '.node').length, 2)
    for (const [path, isUnpacked] of files) {
      const needed = /\.(node|wasm|safetensors)$|loop-thread-entry\.js$/.test(path)
      t.true(isUnpacked || !needed, `${path} is in the archive`)
    }
    t.true(files.get('src/engine-process.js') === false, 'the app itself is packed')
    const line = await inApp()
    try {
      t.is((await line.next()).kind, 'ready')
      const text = textOf(await line.chat(1, 'Tell me a story.', greedy))
      answer ??= text
      t.regex(text, /\w/)
      t.is(text, answer)
      t.is(await line.close(), 0)
    } finally {
      line.kill()
    }
  })

  test.serial('packaged: a model inside the archive is an error that says what to do', async t => {
    const { resources } = await packaged
    const line = await inApp({ QUIRE_MODEL: join(resources, 'app.asar/src') })
    try {
      const failed = await line.next()
      t.like(failed, { kind: 'failed', code: 'ERR_MODEL_NOT_FOUND' })
      t.regex(failed.message ?? '', /inside an Electron archive.*asarUnpack/)
      t.is(await line.close(), 0)
    } finally {
      line.kill()
    }
  })

  test.serial('both recipes leave the same files unpacked', async t => {
    const match = createRequire(asarModule)('minimatch') as (path: string, pattern: string) => boolean
    const { asarUnpack } = load(await readFile(join(example, 'electron-builder.yml'), 'utf8')) as {
      asarUnpack: string[]
    }
    for (const [path, isUnpacked] of (await packaged).files) {
      t.is(
        asarUnpack.some(pattern => match(path, pattern)),
        isUnpacked,
        path,
      )
    }
  })
}

test('every file of the app is named by another, and its page loads nothing from elsewhere', async t => {
  const files = (await readdir(join(example, 'src'), { recursive: true })).filter(path => extname(path) !== '')
  const texts = await Promise.all(files.map(path => readFile(join(example, 'src', path), 'utf8')))
  const { main } = JSON.parse(await readFile(join(example, 'package.json'), 'utf8')) as { main: string }
  for (const path of files) {
    const name = path.slice(dirname(path) === '.' ? 0 : dirname(path).length + 1)
    t.true(main.endsWith(path) || texts.some(text => text.includes(name)), path)
  }
  const page = texts[files.indexOf(join('page', 'index.html'))] ?? ''
  t.regex(page, /default-src 'none'; script-src 'self'; style-src 'self'/)
  t.notRegex(texts.join('\n'), /https?:\/\//)
  const mainText = texts[files.indexOf('main.js')] ?? ''
  for (const setting of ['contextIsolation: true', 'sandbox: true', 'nodeIntegration: false'])
    t.true(mainText.includes(setting), setting)
})

test('the guide shows the recipes of the example, and a workflow that runs its scripts', async t => {
  const blocks = blocksOf(readGuide('electron.md'))
  const block = (name: string) => blocks.find(each => each.name === name)?.text ?? ''
  t.is(blocks.length, 3)
  const builder = load(await readFile(join(example, 'electron-builder.yml'), 'utf8')) as object
  t.like(builder, load(block('electron-builder.yml')) as object)
  t.true((await readFile(join(example, 'forge.config.cjs'), 'utf8')).endsWith(block('forge.config.cjs')))
  const workflow = load(block('.github/workflows/electron.yml')) as {
    jobs: { electron: { steps: { run?: string }[]; defaults: { run: object } } }
  }
  const { steps, defaults } = workflow.jobs.electron
  t.deepEqual(defaults.run, { 'working-directory': 'examples/electron' })
  const manifest = JSON.parse(await readFile(join(example, 'package.json'), 'utf8')) as {
    name: string
    scripts: Readonly<Record<string, string>>
  }
  const runs = steps.map(({ run = '' }) => run)
  const scripts = runs.flatMap(run => /npm run (\w+)/.exec(run)?.[1] ?? [])
  t.deepEqual(scripts, ['smoke', 'dist'])
  for (const script of scripts) t.true(script in manifest.scripts, script)
  t.true(runs.at(-1)?.includes(`/${manifest.name} --smoke`))
})
