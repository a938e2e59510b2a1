// Clients in Python and curl on a real socket, and a fuzzer of the server's own OpenAPI description. They need the environment
// that `npm run test:frameworks` makes.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { CLIENTS, environmentPython } from '../../environments/make.mjs'
import { allFree, listen } from '../test-server.js'

const run = promisify(execFile)
const folder = fileURLToPath(new URL('../python/', import.meta.url))
const python: string = environmentPython(CLIENTS)
const server = await listen({ ui: false })
test.after.always(() => server.close())

async function passes(t: ExecutionContext, programArguments: readonly string[]): Promise<void> {
  const ran = await run(python, [...programArguments], {
    cwd: folder,
    env: {
      ...process.env,
      QUIRE_BASE_URL: server.baseUrl,
      PYTHONDONTWRITEBYTECODE: '1',
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    },
    timeout: 480_000,
    maxBuffer: 1 << 26,
  }).catch((error: { stdout?: string; stderr?: string }) => error)
  if (ran instanceof Error) t.fail(`${ran.stdout ?? ''}\n${ran.stderr ?? ''}`.slice(-8000))
  else t.pass()
  t.true(await allFree(server.engine))
}

const pythonTest = existsSync(python) ? test.serial : test.serial.skip
const reason = existsSync(python) ? '' : ': its environment is not here, `npm run test:frameworks` makes it'

for (const name of ['openai', 'litellm']) {
  pythonTest(`Python's ${name}${reason}`, t =>
    passes(t, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', `test_${name}.py`]),
  )
}

pythonTest(`schemathesis finds no 500 and no reply that breaks its schema${reason}`, t =>
  passes(t, [
    '-m',
    'schemathesis.cli',
    'run',
    `${server.baseUrl.replace(/\/v1$/, '')}/openapi.json`,
    '--checks',
    'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance',
    '--phases',
    'examples,fuzzing',
    '--max-examples',
    '25',
    '--seed',
    '1',
    '--request-timeout',
    '30',
    '--suppress-health-check',
    'all',
    '--no-color',
    '--generation-database',
    'none',
  ]),
)

test.serial('curl: a chat, and a stream that ends with [DONE]', async t => {
  const has = await run('curl', ['--version']).then(
    () => true,
    () => false,
  )
  if (!has) {
    t.log('SKIPPED: there is no curl')
    t.pass()
    return
  }
  const body = { model: 'quire', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 5, temperature: 0 }
  const ask = (fields: object) =>
    run('curl', [
      ...['-sS', '-N', `${server.baseUrl}/chat/completions`],
      ...['-H', 'Content-Type: application/json'],
      ...['-d', JSON.stringify({ ...body, ...fields })],
    ])
  const whole = JSON.parse((await ask({})).stdout)
  const { stdout } = await ask({ stream: true })
  const chunks = stdout.trimEnd().split('\n\n')
  t.is(chunks.at(-1), 'data: [DONE]')
  const text = chunks
    .slice(0, -1)
    .map(chunk => JSON.parse(chunk.slice('data: '.length)).choices[0]?.delta.content ?? '')
    .join('')
  t.is(text, whole.choices[0].message.content)
})
