// Every program of the guides is run as it stands, but for the port: those in TypeScript one after another in one process, those
// for the shell with `npx quire` as it was built. Small models stand for those that are named. Blocks that are configuration are
// in guide-config.test.ts; all TypeScript is checked in guide-types.test.ts.

import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'
import { parseServeSettings } from '../../ts/src/cli/serve-settings.js'
import { NodeServer } from '../../ts/src/server/index.js'
import { blocksOf, guidePages, type PageBlock, readGuide, root, sectionOf, siteBlocks } from './guide-blocks.js'
import { codeOf, start, until } from './snippet-programs.js'
import { startStandInHub } from './stand-in-hub.js'

const quire = join(root, 'ts/bin/quire.js')
const runModules = fileURLToPath(new URL('run-modules.mjs', import.meta.url))
/** Inside of the repository, so that programs find its packages. */
const folders = join(root, '.cache/docs')
await mkdir(folders, { recursive: true })
const folder = await mkdtemp(join(folders, 'guides-'))
const hub = await startStandInHub()
const envWith = (cache: string) => ({ HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(cache, 'hub') })
const env = envWith(folder)

const readme: readonly PageBlock[] = blocksOf(sectionOf(readGuide('../README.md'), 'Five lines')).map(block => ({
  ...block,
  page: 'README.md',
  name: 'five-lines.ts',
}))
const named = [...siteBlocks, ...readme]
const programs = named.filter(({ language }) => language === 'ts')
const scripts = named.filter(({ language, name }) => language === 'sh' && name !== 'serve')

/** Why a program is not run. */
const notRun: Readonly<Record<string, string>> = {
  'browser/page.ts': 'it needs a page in a browser: tests/web/guide.test.ts runs it there',
  'browser/downloads.ts': 'it needs a page in a browser: tests/web/guide.test.ts runs it there',
  'choose-a-framework/register.ts': 'it imports a plugin and prints nothing; its types are checked',
}

const idOf = ({ page, name }: PageBlock): string => `${page.replace(/\.md$/, '')}/${name}`

/** What the output of a program must show, where a line of words is not enough. */
const shown: Readonly<Record<string, RegExp>> = {
  'start/many.ts': /^Once upon a time.*\nThe little dog.*\nOne day.*\n\[\n(.*\n){3}\]$/,
  'start/abort.ts': /^ERR_ABORTED$/,
  'start/errors.ts': /^ERR_INVALID_ARGUMENT \{ parameter: 'temperature', value: 3 \}$/,
  'start/commands.sh': /^(?=[\s\S]*candle)(?=[\s\S]*selected)/,
  'structured-output/object.ts': /^.* [1-9]$/,
  'start/stream.ts': /\w/,
  'tools-and-bindings/chat.ts': /\w/,
  'tools-and-bindings/ai-sdk.ts': /\w/,
  'embeddings/embed.ts': /^\d+ 3 \[ (-?[\d.e-]+,?\s)+\]$/,
  'embeddings/client.ts': /^\[ \d+, \d+ \]$/,
  'gguf/load.ts': /^, there was/,
  'gguf/commands.sh': /(?=[\s\S]*LlamaForCausalLM)(?=[\s\S]*Q4_0 \(\d+ tensors\))/,
  'models-by-name/create.ts': /^LlamaForCausalLM$/,
  'models-by-name/cache.sh': /(?=[\s\S]*HuggingFaceTB\/SmolLM2-135M-Instruct)(?=[\s\S]*hub)/,
  'choose-a-framework/tensors.ts': /^candle \[ 2, 3 \] float32$/,
  'deploy/install': /^(?=[\s\S]*npm install quire-llm\n)(?=[\s\S]*selected)/,
  'deploy/sizing.ts':
    /^weights: \d+ bytes; cache: \d+ tokens, [\d.]+ sequences of full length\na token: \d+ bytes, \d+ numbers$/,
  'from-vllm/logprobs.ts': / -\d[\s\S]*\nnull$/,
  'from-vllm/structured.ts': /^(blue|grey)$/,
  'from-node-llama-cpp/session.ts': /^0 tokens[\s\S]*\n([1-9]\d*) tokens/,
  'from-node-llama-cpp/object.ts': /^(cat|dog) \d$/,
  // Required are one call or more.
  'from-node-llama-cpp/functions.ts': /^(?:It rains in (?:Paris|Rome)\.(?:\n|$))+$/,
  'from-node-llama-cpp/parallel.ts': /^20 true$/,
  'from-node-llama-cpp/stream.ts': /\w/,
  'from-transformers-js/stream.ts': /\w/,
  'from-transformers-js/answers.ts': /^0 .*\n1 .*\n2 /s,
  'from-transformers-js/embed.ts': /^\[ \d+, \d+ \] -?[01]\.\d{3}$/,
  'measure/bench-serve.sh': /Successful requests: +4\b/,
  'measure/bench.sh': /latency[\s\S]*throughput/i,
  'measure/run-batch.sh': /"custom_id":"one"/,
}

/** A server of a model, on a port of its own. */
async function serve(...args: readonly string[]) {
  const server = start([process.execPath, quire, 'serve', '--port', '0', '--threads', '1', ...args], folder, env)
  await until(() => server.stdout().includes('ready on'), server)
  return { server, url: /ready on (http:\S+)/.exec(server.stdout())?.[1] as string }
}

const served = Promise.all([serve(), serve('--model', 'sentence-transformers/all-MiniLM-L6-v2')])
served.catch(() => {}) // told by the first test that awaits it
test.after.always(async () => {
  for (const { server } of await served) await server.end()
  await hub.close()
  await rm(folder, { recursive: true, force: true })
})

/** How long all programs together may take. */
const ALL_PROGRAMS_MS = 540_000

interface Said {
  readonly printed: string
  readonly error?: string
}

/** The server's address, and ids that the small model has. */
function fittedProgram(text: string, url: string): string {
  return text.replaceAll('http://localhost:8000', url).replaceAll('[101, 7592, 102]', '[2, 9, 3]')
}

async function runPrograms(): Promise<ReadonlyMap<string, Said>> {
  const [, embedder] = await served
  const paths = new Map<string, string>()
  for (const block of programs) {
    if (Object.hasOwn(notRun, idOf(block))) continue
    const path = join(folder, idOf(block))
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, fittedProgram(block.text, embedder.url))
    paths.set(pathToFileURL(path).href, idOf(block))
  }
  const tsx = import.meta.resolve('tsx')
  const runner = start([process.execPath, '--import', tsx, runModules, ...paths.keys()], folder, env)
  await codeOf(runner, ALL_PROGRAMS_MS)
  const lines = runner
    .stdout()
    .split('\n')
    .filter(line => line.startsWith('{'))
  const said = lines.map(line => JSON.parse(line) as Said & { readonly module: string })
  return new Map(said.map(({ module, ...each }) => [paths.get(module) as string, each]))
}

const outcomes = runPrograms()
outcomes.catch(() => {})

for (const block of programs) {
  const id = idOf(block)
  if (Object.hasOwn(notRun, id)) {
    test.skip(`${id}: ${notRun[id]}`, () => {})
    continue
  }
  test(id, async t => {
    const said = (await outcomes).get(id)
    t.truthy(said, 'it was not reached: a program before it ended the process')
    t.is(said?.error, undefined)
    t.regex(said?.printed.trim() ?? '', shown[id] ?? /\w+ \w+ \w+/)
  })
}

/** Smaller loads, the server's address, folders of this test. */
function fitted(text: string, url: string): string {
  return text
    .replaceAll('/opt/quire', join(folder, 'opt'))
    .replaceAll('--num-prompts 200', '--num-prompts 4')
    .replaceAll('--output-len 128', '--output-len 8')
    .replaceAll('--batch-size 8', '--batch-size 2 --num-iters 2 --num-iters-warmup 1')
    .replaceAll('quire bench serve', `quire bench serve --base-url ${url}`)
}

/** `npx` is what was built; `npm install` and `npm init` are said and not done. */
const PRELUDE = `npx() { shift; "${process.execPath}" "${quire}" "$@"; }; npm() { echo "npm $*"; };`

for (const block of scripts) {
  test.serial(idOf(block), async t => {
    const [{ url }] = await served
    const here = await mkdtemp(join(folder, 'script-'))
    const body = { model: 'quire-tiny', prompt: 'Once', max_tokens: 4 }
    const line = { custom_id: 'one', method: 'POST', url: '/v1/completions', body }
    await writeFile(join(here, 'requests.jsonl'), `${JSON.stringify(line)}\n`)
    const script = start(
      ['bash', '-euo', 'pipefail', '-c', `${PRELUDE}\n${fitted(block.text, url)}`],
      here,
      envWith(here),
    )
    t.is(await codeOf(script), 0, script.said())
    const answers = join(here, 'answers.jsonl')
    const written = existsSync(answers) ? await readFile(answers, 'utf8') : ''
    t.regex(`${script.stdout()}${written}`, shown[idOf(block)] ?? /\w/, script.said())
  })
}

test('metrics that the guides name are there', async t => {
  const [{ url }] = await served
  const metrics = await (await fetch(`${url}/metrics`)).text()
  const names = new Set(
    guidePages.flatMap(page => [...readGuide(page).matchAll(/`(vllm:\w+)`/g)].map(match => match[1])),
  )
  t.true(names.size >= 6)
  t.deepEqual(
    [...names].filter(name => !metrics.includes(`# TYPE ${name} `)),
    [],
  )
})

test('packages that the guides install are ours, or installed here', t => {
  const lines = named.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.split('\n'))
  const packages = lines.flatMap(line => /^npm install ([^#]*)/.exec(line)?.[1]?.trim().split(/\s+/) ?? [])
  t.true(packages.includes('quire-llm') && packages.includes('@quire-llm/mindspore'))
  t.deepEqual(
    packages.filter(name => !existsSync(join(root, 'node_modules', name))),
    [],
  )
})

test('command lines of servers are right', t => {
  const lines = named.filter(({ name }) => name === 'serve').flatMap(({ text }) => text.trim().split('\n'))
  t.true(lines.length > 0)
  for (const line of lines) {
    const words = line.split(/\s+/).slice(3)
    t.notThrows(() => NodeServer.check(parseServeSettings(words, {}).server), line)
  }
})

test('every program of the guides has a name of its own, and what is expected is of one of them', t => {
  const ids = [...programs, ...scripts].map(idOf)
  t.deepEqual(
    ids.filter(id => id.endsWith('/')),
    [],
  )
  t.deepEqual([...new Set(ids)].length, ids.length)
  t.deepEqual(
    [...Object.keys(shown), ...Object.keys(notRun)].filter(id => !ids.includes(id)),
    [],
  )
})
