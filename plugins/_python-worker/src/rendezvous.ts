// Where a worker that was just started finds this process: a unix socket in a folder of its own, or a loopback port where
// there are none or paths are too long. Both sides show their half of a secret that only the worker's standard input has seen.

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { WorkerError } from 'quire-llm/plugin'
import { encodeFrame, FrameReader, type Message } from './frame.js'

export const PROTOCOL_VERSION = 1
/** Paths of unix sockets end at 104 bytes on some systems, at 108 on others. */
const LONGEST_SOCKET_PATH = 100
const HALF = 32
const LOOPBACK = '127.0.0.1'

export class Rendezvous {
  readonly token = randomBytes(HALF).toString('hex')
  /** The stream of the worker that showed the token. Rejects for one of another protocol version. */
  readonly hello: Promise<Socket>
  /** What tells the worker where to go. */
  readonly args: readonly string[]
  readonly #folder: string
  readonly #server: Server
  readonly #strangers = new Set<Socket>()

  private constructor(server: Server, folder: string, args: readonly string[]) {
    this.#server = server
    this.#folder = folder
    this.args = args
    this.hello = new Promise((resolve, reject) => {
      server.on('connection', socket => this.#ask(socket, resolve, reject))
    })
    this.hello.catch(() => {})
  }

  /** @param folder where sockets go. */
  static async open(folder: string): Promise<Rendezvous> {
    const own = await mkdtemp(join(folder, 'quire-')) // mode 0700
    const path = join(own, 'worker')
    const server = createServer()
    const isPossible = process.platform !== 'win32' && Buffer.byteLength(path) <= LONGEST_SOCKET_PATH
    if (isPossible && (await listens(server, { path }))) return new Rendezvous(server, own, ['--socket', path])
    if (!(await listens(server, { port: 0, host: LOOPBACK }))) {
      await rm(own, { recursive: true, force: true })
      throw new WorkerError(`Workers cannot be reached: neither ${own} nor ${LOOPBACK} can be listened on.`)
    }
    const { port } = server.address() as AddressInfo
    return new Rendezvous(server, own, ['--host', LOOPBACK, '--port', String(port)])
  }

  /** Answers the worker's hello. */
  welcome(socket: Socket): void {
    socket.write(encodeFrame({ event: 'welcome', protocol: PROTOCOL_VERSION, token: this.token.slice(HALF) }))
  }

  /** Nobody else can connect. */
  async close(): Promise<void> {
    for (const socket of this.#strangers) socket.destroy()
    this.#server.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** A stranger is shown the door and nothing else. */
  #ask(socket: Socket, resolve: (socket: Socket) => void, reject: (error: Error) => void): void {
    this.#strangers.add(socket)
    const reader = new FrameReader()
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    const listen = (chunk: Buffer): void => {
      const hello = firstMessage(reader, chunk)
      if (hello === undefined) return
      if (hello === null || !this.#knows(hello)) {
        socket.destroy()
        return
      }
      socket.off('data', listen)
      this.#strangers.delete(socket)
      if (hello.protocol === PROTOCOL_VERSION) resolve(socket)
      else {
        socket.destroy()
        reject(new Error(`speaks protocol version ${String(hello.protocol)}, this engine ${PROTOCOL_VERSION}`))
      }
    }
    socket.on('data', listen)
  }

  #knows({ event, token }: Message): boolean {
    if (event !== 'hello' || typeof token !== 'string') return false
    const [shown, expected] = [Buffer.from(token), Buffer.from(this.token.slice(0, HALF))]
    return shown.length === expected.length && timingSafeEqual(shown, expected)
  }
}

function listens(server: Server, options: ListenOptions): Promise<boolean> {
  return new Promise(resolve => {
    const refused = (): void => resolve(false)
    server.once('error', refused)
    server.listen(options, () => {
      server.off('error', refused)
      resolve(true)
    })
  })
}

/** Undefined until it is whole; null if it is none. */
function firstMessage(reader: FrameReader, chunk: Buffer): Message | undefined | null {
  try {
    return reader.read(chunk)[0]
  } catch {
    return null
  }
}
