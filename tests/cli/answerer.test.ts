// `quire chat` and `quire complete`: by the bundled model, and by a server that is spoken to over a socket.

import { tmpdir } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { type FakeAnswer, type FakeServer, startFakeServer } from '../bench/fake-openai-server.js'
import { type CommandOptions, runQuire } from './quire-command.js'

const run = (args: readonly string[], options: Partial<CommandOptions> = {}) =>
  runQuire(args, { cwd: tmpdir(), ...options })

async function fakeServer(
  t: ExecutionContext,
  answer: (index: number) => FakeAnswer,
): Promise<FakeServer & { url: string }> {
  const server = await startFakeServer(answer)
  t.teardown(server.close)
  return { ...server, url: `http://127.0.0.1:${server.port}/v1` }
}

const words = (index: number) => ['Hello', ' wörld', ' 🙂'][index] ?? '!'

test('chat with a server: what is said is kept, with system prompt, key and sampling', async t => {
  const server = await fakeServer(t, () => ({ tokens: 3, text: words, opensFirst: true, perTokenMs: 5 }))
  const args = [
    'chat',
    '--url',
    `${server.url}/`,
    '--system-prompt',
    'Be kind.',
    '--api-key',
    'k1',
    '--temperature',
    '0.5',
  ]
  const { code, stdout, stderr } = await run([...args, '--top-k', '4', '--stats'], {
    input: 'Hi\n\nAgain\n/clear\nAnew\n/exit\nNever\n',
  })
  t.is(code, 0, stderr)
  t.is(stdout, 'Hello wörld 🙂\n'.repeat(3))
  t.is(stderr.match(/^quire: TTFT \d+\.\d{3} s, \d+\.\d tokens\/s, 3 tokens$/gm)?.length, 3, stderr)
  const system = { role: 'system', content: 'Be kind.' }
  const user = (content: string) => ({ role: 'user', content })
  const assistant = { role: 'assistant', content: 'Hello wörld 🙂' }
  t.deepEqual(
    server.seen.map(({ body }) => body.messages),
    [
      [system, user('Hi')],
      [system, user('Hi'), assistant, user('Again')],
      [system, user('Anew')],
    ],
  )
  const [first] = server.seen
  t.is(first?.path, '/v1/chat/completions')
  t.is(first?.headers.authorization, 'Bearer k1')
  t.like(first?.body, { model: 'fake-model', temperature: 0.5, top_k: 4, stream: true })
  // As long as the model's context allows: a number of ours could be too large for it.
  t.deepEqual([first?.body.max_tokens, first?.body.max_completion_tokens], [undefined, undefined])
})

test('one question', async t => {
  const server = await fakeServer(t, () => ({ tokens: 2, text: words }))
  const chat = await run(['chat', '--url', server.url, '-q', 'Hi', '--model-name', 'mine'], {
    env: { OPENAI_API_KEY: 'k2' },
  })
  t.deepEqual([chat.code, chat.stdout, chat.stderr], [0, 'Hello wörld\n', ''])
  t.like(server.seen[0]?.body, { model: 'mine', messages: [{ role: 'user', content: 'Hi' }] })
  t.is(server.seen[0]?.headers.authorization, 'Bearer k2')
  const complete = await run(['complete', '--url', server.url, '--quick', 'Once', '--max-tokens', '7', '--stop', 'x'])
  t.deepEqual([complete.code, complete.stdout], [0, 'Hello wörld\n'])
  t.is(server.seen[1]?.path, '/v1/completions')
  t.like(server.seen[1]?.body, { prompt: 'Once', max_tokens: 7, stop: ['x'] })
})

test('complete continues each line by itself', async t => {
  const server = await fakeServer(t, () => ({ tokens: 1, text: words }))
  const { code, stdout } = await run(['complete', '--url', server.url], { input: 'a\nb' })
  t.deepEqual([code, stdout], [0, 'Hello\nHello\n'])
  t.deepEqual(
    server.seen.map(({ body }) => body.prompt),
    ['a', 'b'],
  )
})

test('an answer that fails is told, and the conversation is as before', async t => {
  const faults: FakeAnswer[] = [
    { status: 429 },
    { tokens: 3, errorAfter: 1, text: words },
    { tokens: 3, cutAfter: 2, text: words },
  ]
  const server = await fakeServer(t, index => faults[index] ?? { tokens: 1, text: words })
  const { code, stderr } = await run(['chat', '--url', server.url], { input: 'a\nb\nc\nd\n' })
  t.is(code, 0)
  t.regex(
    stderr,
    /HTTP 429: refused with 429 \[ERR_SERVER\]\n.*ended the answer: the model fell over \[ERR_SERVER\]\n.*does not answer: .* \[ERR_SERVER\]\n$/s,
  )
  t.deepEqual(server.seen.at(-1)?.body.messages, [{ role: 'user', content: 'd' }])
  const quick = await run(['chat', '--url', server.url, '-q', 'e'], { env: {} })
  t.is(quick.code, 0)
})

test('a URL without a version that leads nowhere is told with one', async t => {
  const server = await fakeServer(t, () => ({ status: 404 }))
  const bare = server.url.replace(/\/v1$/, '')
  const { code, stderr } = await run(['chat', '--url', bare, '--model-name', 'mine', '-q', 'x'])
  t.is(code, 1)
  t.true(stderr.includes(`HTTP 404`) && stderr.includes(`should end with a version: ${bare}/v1.`), stderr)
  const versioned = await run(['chat', '--url', server.url, '--model-name', 'mine', '-q', 'x'])
  t.false(versioned.stderr.includes('should end'), versioned.stderr)
})

test('Ctrl-C ends one question with 130, and the server is left', async t => {
  const server = await fakeServer(t, () => ({ perTokenMs: 20, tokens: 10_000 }))
  const { code } = await run(['complete', '--url', server.url, '-q', 'x'], { interruptAfterStdout: /token3/ })
  t.is(code, 130)
})

const misuses: readonly [readonly string[], number, RegExp][] = [
  [['chat', '--url', 'localhost:8000', '-q', 'x'], 2, /A server is named by a URL/],
  [
    ['chat', '--url', 'http://127.0.0.1:65471/v1', '-q', 'x'],
    1,
    /at 127\.0\.0\.1:65471 does not answer: .*ECONNREFUSED.* \[ERR_SERVER\]/,
  ],
  [['complete', '--api-key', 'x', '-q', 'x'], 2, /--api-key goes with --url/],
  [
    ['complete', '--url', 'http://127.0.0.1:65471/v1', '--threads', '1', '-q', 'x'],
    2,
    /--threads is for a model in this process/,
  ],
]

for (const [args, expected, message] of misuses) {
  test(`called wrongly: ${args.join(' ')}`, async t => {
    const { code, stderr } = await run(args)
    t.is(code, expected, stderr)
    t.regex(stderr, message)
  })
}

test('in this process: a conversation, a continuation, and how fast', async t => {
  const chat = await run(['chat', '--max-tokens', '5', '--temperature', '0', '--stats'], { input: 'Hello\nAnd?\n' })
  t.is(chat.code, 0, chat.stderr)
  t.is(chat.stderr.match(/TTFT \d+\.\d{3} s.*, [1-5] tokens$/gm)?.length, 2, chat.stderr)
  const complete = await run(['complete', '--max-tokens', '6', '--temperature', '0', '-q', 'Once upon a time'])
  const generate = await run(['generate', '--max-tokens', '6', '--temperature', '0', '--prompt', 'Once upon a time'])
  t.deepEqual([complete.code, complete.stdout], [0, generate.stdout])
})
