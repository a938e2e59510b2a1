// Every snippet of docs/serve.md is run as it stands, but for the port: clients against a real `quire serve`, servers on a port
// of their own, command lines by the parser that `quire serve` has. They run what was built.

import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parseServeSettings } from '../../ts/src/cli/serve-settings.js'
import { NodeServer } from '../../ts/src/server/index.js'
import { findRuntimes } from '../apps/runtimes.js'
import { CLIENTS, environmentPython } from '../environments/make.mjs'
import { CERT, KEY } from '../server/localhost-certificate.js'
import { type Block, blocksOf, readGuide, root, sectionOf } from './guide-blocks.js'
import { codeOf, freePort, type Program, start as startIn, until } from './snippet-programs.js'

const blocks = blocksOf(readGuide('serve.md'))
const readme = blocksOf(sectionOf(readGuide('../README.md'), 'Serve'))
const quire = join(root, 'ts/bin/quire.js')
const python: string = environmentPython(CLIENTS)
/** Inside of the repository, so that programs find its packages. */
const folders = join(root, '.cache/docs')
await mkdir(folders, { recursive: true })
const folder = await mkdtemp(join(folders, 'serve-'))
const runtimes = await findRuntimes()
const own = new Set(['hono.ts', 'fastify.ts', 'bun.ts', 'deno.ts', 'node.ts'])

const start = (command: readonly string[]): Program =>
  startIn(command, folder, { LITELLM_LOCAL_MODEL_COST_MAP: 'True' })

/** A block in a file of its own, with another port. */
async function written({ name, text }: Block, port: number): Promise<string> {
  const path = join(folder, name)
  await writeFile(
    path,
    text.replaceAll('localhost:8000', `127.0.0.1:${port}`).replaceAll('port: 8000', `port: ${port}`),
  )
  return path
}

function commandOf({ language, name }: Block, path: string): readonly string[] {
  if (language === 'python') return [python, path]
  if (language === 'sh')
    return ['bash', '-euo', 'pipefail', '-c', `npx() { shift; "${process.execPath}" "${quire}" "$@"; }; . "${path}"`]
  const { bun, deno } = runtimes
  if (name === 'bun.ts') return [...(bun as readonly string[]), path]
  if (name === 'deno.ts') return [...(deno as readonly string[]), 'run', '-A', path]
  return [process.execPath, '--import', import.meta.resolve('tsx'), path]
}

/** Why a block cannot run on this machine. */
function missing({ language, name, text }: Block): string | undefined {
  if (language === 'python' && !existsSync(python))
    return 'its environment is not here, `npm run test:frameworks` makes it'
  if (name === 'bun.ts' && 'reason' in runtimes.bun) return runtimes.bun.reason
  if (name === 'deno.ts' && 'reason' in runtimes.deno) return runtimes.deno.reason
  const packages = [...text.matchAll(/ from '((?:@[^/']+\/)?[^/':]+)/g)].map(match => match[1] as string)
  const absent = packages.find(each => each !== 'node' && !existsSync(join(root, 'node_modules', each)))
  return absent === undefined || language === 'python' ? undefined : `the package ${absent} is not installed`
}

const port = await freePort()
const served = start([process.execPath, quire, 'serve', '--port', String(port), '--threads', '1', '--seed', '1'])
test.before(() => until(() => served.stdout().includes('ready'), served))
test.after.always(async () => {
  await served.end()
  await rm(folder, { recursive: true, force: true })
})

/** What the output of a client must show, where a line of text is not enough. */
const shown: Readonly<Record<string, RegExp>> = {
  'chat.sh': /"chat\.completion".*"content":"\w/s,
  'stream.sh': /"delta":.*"usage":\{.*data: \[DONE\]\n/s,
  'completion.sh': /"index":0,"text":"[^"]{9,}".*"index":1,"text":"[^"]{9,}"/s,
  'command-line.sh': /Successful requests: +4 *\n/,
  'structured.ts': /kind: '(cat|dog|bird)', legs: \d/,
  'constraints.sh': /"text":"(blue|grey)".*"text":"[0-2]\d:[0-5]\d".*"text":" = \d*"/s,
  'tools.ts': /name: 'weather'.*"city": ?"(Paris|Rome)"/s,
  'embeddings.ts': /^(8 -?[\d.]+\n){2}$/,
  'scores.sh': /"score":.*"relevance_score":/s,
  'responses.ts': /\w+ \w+/,
  'extras.sh': /"token_ids":\[.*"prompt_logprobs":\[.*"index":1.*"tokens":\[/s,
  'metrics.sh': /^vllm:num_requests_running\{model_name="quire-tiny",engine="0"\} \d+$/m,
}

async function runsAsClient(t: ExecutionContext, block: Block): Promise<void> {
  const client = start(commandOf(block, await written(block, port)))
  t.is(await codeOf(client), 0, client.said())
  t.regex(client.stdout(), shown[block.name] ?? /\w+ \w+ \w+/, client.said())
}

async function runsAsServer(t: ExecutionContext, block: Block): Promise<void> {
  const at = await freePort()
  const server = start(commandOf(block, await written(block, at)))
  t.teardown(() => server.end())
  await until(() => /\bready\b/.test(server.stdout()), server)
  const ask = (body: object) =>
    fetch(`http://localhost:${at}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'quire-tiny', prompt: 'Once', temperature: 0, max_tokens: 8, ...body }),
    })
  const { choices } = JSON.parse(await (await ask({})).text())
  const streamed = await (await ask({ stream: true })).text()
  t.true(streamed.endsWith('data: [DONE]\n\n'))
  const deltas = streamed.split('\n\n').filter(frame => frame.startsWith('data: {'))
  t.is(deltas.map(frame => JSON.parse(frame.slice(6)).choices[0].text).join(''), choices[0].text)
  t.is((await ask({ model: 'another' })).status, 404)
}

for (const block of blocks.filter(({ name, language }) => /^(ts|python|sh)$/.test(language) && name !== 'serve')) {
  const reason = missing(block)
  const named = reason === undefined ? test.serial : test.serial.skip
  const title = reason === undefined ? block.name : `${block.name}: ${reason}`
  named(title, t => (own.has(block.name) ? runsAsServer(t, block) : runsAsClient(t, block)))
}

test.serial("the README's client", t => {
  t.is(readme.length, 2)
  return runsAsClient(t, { ...(readme[0] as Block), name: 'readme-client.ts' })
})

test.serial("the README's handler", async t => {
  const [, block] = readme as readonly Block[]
  const asked = `console.log(await (await handler(new Request('http://localhost/v1/models'))).text())`
  const text = `${block?.text}${asked}\nprocess.exit()\n`
  const path = await written({ language: 'ts', name: 'readme-handler.ts', text }, 0)
  const program = start([process.execPath, '--import', import.meta.resolve('tsx'), path])
  t.is(await program.ended, 0, program.said())
  t.regex(program.stdout(), /"object":"list"/)
})

test('command lines of the server are right', async t => {
  const key = join(folder, 'key.pem')
  const cert = join(folder, 'cert.pem')
  await writeFile(key, KEY)
  await writeFile(cert, CERT)
  const lines = blocks
    .filter(({ name }) => name === 'serve')
    .flatMap(({ text }) => text.trim().split('\n'))
    .map(line => line.replaceAll(/'([^']*)'/g, '$1').replace(/"\$\([^"]*\)"/, 'secret'))
  t.true(lines.length >= 8)
  for (const line of lines) {
    const [, args = ''] = line.split('npx quire serve')
    const words = args.split(' ').filter(word => word !== '')
    const settings = parseServeSettings(
      words.map(word => (/\.pem$/.test(word) ? (word === 'key.pem' ? key : cert) : word)),
      {},
    )
    t.notThrows(() => NodeServer.check(settings.server), line)
  }
})

test('the file of options is right', async t => {
  const file = blocks.find(({ language }) => language === 'yaml') as Block
  const path = join(folder, file.name)
  await writeFile(path, file.text)
  const { engine, server } = parseServeSettings(['--config', path], {})
  t.like(engine, { model: 'HuggingFaceTB/SmolLM2-135M-Instruct', maxModelLen: 4000, maxNumSeqs: 64 })
  t.like(server, { modelNames: ['smol', 'gpt-4o-mini'], port: 8080, requestIdHeaders: true })
  t.notThrows(() => NodeServer.check(server))
})

test('requests are traced with the file for traces', async t => {
  const block = blocks.find(({ name }) => name === 'tracing.mjs') as Block
  const path = await written(block, 0)
  const args = [process.execPath, '--import', path, quire, 'serve', '--port', '0', '--threads', '1']
  const server = start(args)
  t.teardown(() => server.end())
  await until(() => server.stdout().includes('ready on'), server)
  const url = /ready on (\S+)/.exec(server.stdout())?.[1]
  await (
    await fetch(`${url}/v1/completions`, {
      method: 'POST',
      body: '{"prompt": "Once", "max_tokens": 2}',
      headers: { 'content-type': 'application/json' },
    })
  ).text()
  await until(() => /llm_request[\s\S]*gen_ai\.usage\.completion_tokens/.test(server.stdout()), server)
  t.pass()
})

test('every block is of a kind that is run or read here', t => {
  const known = ({ language, name }: Block) =>
    (/^(ts|python|sh)$/.test(language) && name !== '') || name === 'tracing.mjs' || /^(yaml|nginx)$/.test(language)
  t.deepEqual(
    blocks.filter(block => !known(block)),
    [],
  )
  t.deepEqual(
    Object.keys(shown).filter(name => !blocks.some(block => block.name === name)),
    [],
  )
})
