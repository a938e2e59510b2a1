// Who may speak to whom: both sides show their half of a secret, and strangers are shown the door.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { encodeFrame, FrameReader, MAX_FRAME_BYTES, type Message } from '../../plugins/_python-worker/src/frame.js'
import { PROTOCOL_VERSION, Rendezvous } from '../../plugins/_python-worker/src/rendezvous.js'
import { WorkerProcess } from '../../plugins/_python-worker/src/worker-process.js'
import { python, withoutPython } from './python.js'

const wire = python === undefined ? test.skip : test
const why = python === undefined ? ` (${withoutPython})` : ''
const env = { PATH: process.env.PATH ?? '' }

async function folderOf(t: ExecutionContext, name = ''): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quire-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, name), { recursive: true })
  return join(folder, name)
}

function connectTo({ args }: Rendezvous): Socket {
  const [flag, value, , port] = args
  return flag === '--socket' ? connect(value as string) : connect(Number(port), value)
}

/**
 * Why nobody can connect any more. A process that another test of this one begins meanwhile has the listener, too, until it runs its
 * program: whom it then holds is reset.
 */
async function refusalOf(t: ExecutionContext, rendezvous: Rendezvous): Promise<string> {
  for (;;) {
    const late = connectTo(rendezvous)
    t.teardown(() => late.destroy())
    const error = await t.throwsAsync<NodeJS.ErrnoException>(once(late, 'connect'))
    if (error?.code !== 'ECONNRESET') return String(error?.message)
  }
}

for (const [kind, name] of [
  ['unix socket', ''],
  ['loopback TCP', 'a-folder-with-a-long-name-'.repeat(4)],
] as const) {
  test(`${kind}: a stranger is refused, the worker is not`, async t => {
    const rendezvous = await Rendezvous.open(await folderOf(t, name))
    const half = rendezvous.token.slice(0, rendezvous.token.length / 2)
    const hello = { event: 'hello', protocol: PROTOCOL_VERSION, token: half }
    const strangers: Message[] = [
      { ...hello, token: rendezvous.token.slice(half.length) },
      { ...hello, token: half.slice(1) },
      { ...hello, token: 5 },
      { event: 'welcome', token: half },
    ]
    const bytes = [...strangers.map(encodeFrame), Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.of(0, 0, 0, 1, 0xc1)]
    for (const sent of bytes) {
      const stranger = connectTo(rendezvous)
      stranger.on('data', () => t.fail('a stranger was answered'))
      stranger.write(sent)
      await once(stranger, 'close')
    }
    const worker = connectTo(rendezvous)
    worker.write(encodeFrame(hello))
    const socket = await rendezvous.hello
    t.teardown(() => socket.destroy())
    rendezvous.welcome(socket)
    const [chunk] = (await once(worker, 'data')) as [Buffer]
    t.is(new FrameReader().read(chunk)[0]?.token, rendezvous.token.slice(half.length))
    await rendezvous.close()
    t.regex(await refusalOf(t, rendezvous), /ENOENT|ECONNREFUSED/)
  })
}

test('a worker of another version is told apart from a stranger', async t => {
  const rendezvous = await Rendezvous.open(await folderOf(t))
  const worker = connectTo(rendezvous)
  worker.write(encodeFrame({ event: 'hello', protocol: 99, token: rendezvous.token.slice(0, 32) }))
  await t.throwsAsync(rendezvous.hello, { message: /speaks protocol version 99, this engine 1/ })
  await rendezvous.close()
  t.false(existsSync(rendezvous.args[1] as string))
})

test('frames arrive whole, however they are cut, and none is above the limit', t => {
  const messages = [{ id: 1, data: new Uint8Array(70_000) }, { id: 2 }, { id: 3, text: 'ü' }]
  const stream = Buffer.concat(messages.map(encodeFrame))
  for (const size of [1, 3, 4, 1000, stream.length]) {
    const reader = new FrameReader()
    const found: unknown[] = []
    for (let at = 0; at < stream.length; at += size) found.push(...reader.read(stream.subarray(at, at + size)))
    t.deepEqual(
      found.map(message => (message as { id: number }).id),
      [1, 2, 3],
    )
  }
  t.throws(() => encodeFrame({ data: new Uint8Array(MAX_FRAME_BYTES) }), { instanceOf: RangeError })
  for (const bytes of [
    [0, 0, 0, 0],
    [1, 0, 0, 1],
    [0, 0, 0, 1, 0x90],
    [0, 0, 0, 1, 0xc1],
  ]) {
    t.throws(() => new FrameReader().read(Buffer.from(bytes)))
  }
})

wire(`a worker leaves an engine that does not show its half${why}`, async t => {
  const path = join(await folderOf(t), 'socket')
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.write(encodeFrame({ event: 'welcome', protocol: PROTOCOL_VERSION, token: 'b'.repeat(32) }))
  }).listen(path)
  t.teardown(() => server.close())
  await once(server, 'listening')
  const PYTHONPATH = fileURLToPath(new URL('../../plugins/_python-worker/python', import.meta.url))
  const args = ['-m', 'quire_worker', '--parent', String(process.pid), '--socket', path]
  const worker = spawn(python as string, args, { env: { ...env, PYTHONPATH }, stdio: ['pipe', 'ignore', 'pipe'] })
  let stderr = ''
  worker.stderr.on('data', chunk => {
    stderr += chunk
  })
  worker.stdin.write(`${'a'.repeat(64)}\n`)
  const [code] = await once(worker, 'close')
  t.is(code, 70)
  t.regex(stderr, /did not show its half of the token/)
})

test('a process that does not come up is an error with the reason', async t => {
  const folder = await folderOf(t)
  const program = async (name: string, lines: string): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, `#!/bin/sh\n${lines}\n`)
    await chmod(path, 0o700)
    return path
  }
  const outcomes: readonly (readonly [python: string, message: RegExp, handshakeMs?: number])[] = [
    ['/nowhere/python', /The fake worker cannot be started: .*ENOENT/],
    [
      await program('ends', 'echo no such module >&2; exit 4'),
      /exited with code 4 before it said hello\.\n.*\nno such module$/,
    ],
    // Time enough for a shell to start and to speak.
    [await program('sleeps', 'echo asleep >&2; sleep 60'), /said nothing for 4 s after its start\.\n.*\nasleep$/, 4000],
  ]
  for (const [path, message, handshakeMs = 120_000] of outcomes) {
    const started = WorkerProcess.start({ name: 'fake', python: path, env, timeouts: { handshakeMs } })
    await t.throwsAsync(started, { code: 'ERR_WORKER', message })
  }
})
