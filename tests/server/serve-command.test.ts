// `quire serve` as a process: what it prints, how it is told to end, what it logs.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { completion, eventsOf, until } from './served-engine.js'

const quire = fileURLToPath(new URL('../../ts/bin/quire.js', import.meta.url))

class Serving {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const kept = Object.entries(process.env).filter(([name]) => !/^(QUIRE|VLLM)_/.test(name))
    this.child = spawn(process.execPath, [quire, 'serve', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...Object.fromEntries(kept), ...env },
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = new Promise(resolve => this.child.on('close', resolve))
  }

  /** Its URL, once it is ready. */
  async url(): Promise<string> {
    await until(`ready: ${this.stderr}`, () => this.stdout.includes('\n') || this.child.exitCode !== null)
    const match = /^quire: ready on (\S+)\n$/.exec(this.stdout)
    if (match === null) throw new Error(`not ready: ${this.stdout} ${this.stderr}`)
    return match[1] as string
  }

  /** Lines of its log. */
  log(): Record<string, unknown>[] {
    return this.stderr
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line))
  }
}

function serve(t: ExecutionContext, args: readonly string[], env?: Readonly<Record<string, string>>): Serving {
  const serving = new Serving(['--port', '0', '--threads', '1', ...args], env)
  t.teardown(() => serving.child.kill('SIGKILL'))
  return serving
}

test.serial('serves the bundled model, logs replies but no prompts, and ends at SIGTERM', async t => {
  const serving = serve(t, [])
  const url = await serving.url()
  t.regex(url, /^http:\/\/localhost:\d+$/)
  const response = await fetch(`${url}/v1/completions`, completion({ prompt: 'Once upon a time', max_tokens: 5 }))
  t.is(JSON.parse(await response.text()).model, 'quire-tiny')
  serving.child.kill('SIGTERM')
  t.is(await serving.ended, 0)
  t.like(serving.log()[0], { method: 'POST', path: '/v1/completions', status: 200, msg: 'request' })
  t.false(serving.stderr.includes('Once'))
})

test.serial('SIGTERM lets a stream come to its end', async t => {
  const serving = serve(t, ['--max-model-len', '400'])
  const url = await serving.url()
  const stream = await fetch(`${url}/v1/completions`, completion({ max_tokens: 380, stream: true }))
  serving.child.kill('SIGTERM')
  const text = await stream.text()
  t.is(JSON.parse(text.split('\n\n').at(-3)?.slice('data: '.length) ?? '{}').choices[0].finish_reason, 'length')
  t.true(eventsOf(text).length > 1)
  t.true(text.endsWith('data: [DONE]\n\n'))
  t.is(await serving.ended, 0)
})

for (const [title, args, signals] of [
  ['without time SIGINT ends a stream at once', ['--shutdown-timeout', '0'], 1],
  ['a second SIGINT ends what the first left', ['--shutdown-timeout', '600'], 2],
] as const) {
  test.serial(title, async t => {
    const serving = serve(t, [...args, '--dev'])
    const url = await serving.url()
    await fetch(`${url}/pause?mode=keep`, { method: 'POST' })
    const stream = await fetch(`${url}/v1/completions`, completion({ max_tokens: 400, stream: true }))
    serving.child.kill('SIGINT')
    if (signals === 2) {
      await until('it says what it waits for', () => serving.stderr.includes('the same signal again'))
      serving.child.kill('SIGINT')
    }
    const text = await stream.text()
    t.regex(text, /shutting down/)
    t.is(await serving.ended, 0)
  })
}

test.serial('a signal while the model is loaded ends the command', async t => {
  const serving = serve(t, [])
  setTimeout(() => serving.child.kill('SIGINT'), 400)
  const code = await serving.ended
  // Where loading was quicker, the server was up already.
  t.true(
    code === 130 || (code === 0 && serving.stdout.includes('ready')) || serving.child.signalCode === 'SIGINT',
    `${code}`,
  )
})

test.serial('options of a file, a key of the environment, names, the log of requests', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'quire-serve-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const config = join(folder, 'server.yaml')
  writeFileSync(
    config,
    'served-model-name: [mine, also-mine]\nenable-log-requests: true\nenable-log-outputs: true\nmax-log-len: 4\n',
  )
  const serving = serve(t, ['--config', config], { QUIRE_API_KEY: 'the-key' })
  const url = await serving.url()
  t.is((await fetch(`${url}/v1/models`)).status, 401)
  const headers = { ...completion().headers, authorization: 'Bearer the-key' }
  const reply = await fetch(`${url}/v1/completions`, {
    ...completion({ prompt: 'Once upon', model: 'also-mine' }),
    headers,
  })
  t.is(JSON.parse(await reply.text()).model, 'mine')
  serving.child.kill('SIGTERM')
  await serving.ended
  t.like(
    serving.log().find(({ msg }) => msg === 'received request'),
    { prompt: 'Once' },
  )
  t.truthy(serving.log().find(({ msg }) => msg === 'generated'))
  t.false(serving.stderr.includes('the-key'))
})

test.serial('a port that is taken, an option that is wrong: said in one line', async t => {
  const first = serve(t, ['--log-level', 'silent'])
  const url = new URL(await first.url())
  const second = new Serving(['--port', url.port, '--threads', '1'])
  t.is(await second.ended, 1)
  t.regex(second.stderr, /port \d+ is taken/)
  const wrong = new Serving(['--prot', '1'])
  t.is(await wrong.ended, 2)
  t.regex(wrong.stderr, /^quire: There is no option --prot\. Did you mean --port\?/)
  const value = new Serving(['--max-queue', '-1'])
  t.is(await value.ended, 2)
  t.regex(value.stderr, /maxQueue must be at least 0/)
  t.is(first.stderr, '')
})
