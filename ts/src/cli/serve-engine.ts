// What `quire serve` runs: an engine behind an OpenAI server, until a signal ends it.

import { Engine } from '../engine/node-engine.js'
import { DownloadBar } from '../progress-bar.js'
import { NodeServer, startStatsLog } from '../server/index.js'
import type { ExitCode } from './main.js'
import { openServeLog, type ServeLog } from './serve-log.js'
import type { ServeSettings } from './serve-options.js'
import { parseServeSettings } from './serve-settings.js'
import type { Streams } from './streams.js'

const SHUTDOWN_SECONDS = 30
/** Milliseconds between looks at whether the engine still lives. */
const HEALTH_INTERVAL_MS = 5000

export async function serve(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const settings = parseServeSettings(args, process.env)
  NodeServer.check(settings.server)
  const log = openServeLog(String(settings.own['log-level'] ?? 'info'))
  const signals = new Signals()
  try {
    const download = new DownloadBar(streams.stderr, process.env)
    const options = { ...settings.engine, signal: signals.loading, onDownload: download.show }
    const engine = await Engine.create(options).finally(() => download.finish())
    try {
      return await serveEngine(engine, settings, { log, signals, streams })
    } finally {
      await engine.close()
    }
  } catch (error) {
    if (signals.loading.aborted) return 130
    const reason = listenFailure(error, settings)
    if (reason === undefined) throw error
    streams.stderr.write(`quire: ${reason}\n`)
    return 1
  } finally {
    signals.off()
    log.flush()
  }
}

interface Around {
  readonly log: ServeLog
  readonly signals: Signals
  readonly streams: Streams
}

async function serveEngine(engine: Engine, settings: ServeSettings, around: Around): Promise<ExitCode> {
  const { log, signals, streams } = around
  const { logger } = log
  const server = await NodeServer.listen(engine, { ...settings.server, logger })
  const stats = settings.own['disable-log-stats'] === true ? undefined : startStatsLog(engine, logger)
  streams.stdout.write(`quire: ready on ${server.url}\n`)
  const ended = await Promise.race([signals.first, deathOf(engine)])
  stats?.stop()
  if (ended !== 'signal') {
    logger.error({ err: ended }, 'the engine is dead')
    await server.close()
    streams.stderr.write(`quire: the engine is dead: ${ended.message}\n`)
    return 1
  }
  const timeoutMs = Number(settings.own['shutdown-timeout'] ?? SHUTDOWN_SECONDS) * 1000
  const { numRequests } = engine
  if (timeoutMs > 0 && numRequests > 0) {
    streams.stderr.write(`quire: ${numRequests} requests come to their end; the same signal again ends them at once\n`)
  }
  const closing = server.close({ timeoutMs })
  signals.second.then(() => server.core.abortAll()).catch(() => {})
  await closing
  return 0
}

/** Why the server cannot listen; undefined for other errors. */
function listenFailure(error: unknown, { server }: ServeSettings): string | undefined {
  const { code, syscall, message } = error as NodeJS.ErrnoException
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return undefined
  const where = server.uds === undefined ? `port ${server.port ?? 8000}` : 'the unix socket'
  if (code === 'EADDRINUSE') return `${where} is taken: another server listens there.`
  return `${where} cannot be listened on: ${message}`
}

/** Resolves with what the engine died of. */
function deathOf(engine: Engine): Promise<Error> {
  return new Promise(resolve => {
    const timer = setInterval(() => {
      const health = engine.health()
      if (health.status === 'ok') return
      clearInterval(timer)
      resolve(health.error)
    }, HEALTH_INTERVAL_MS)
    timer.unref()
  })
}

/** What asks a server to end: of a terminal, of a supervisor, and Ctrl-Break on Windows, whose supervisors send that. */
const ENDING: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  ...(process.platform === 'win32' ? (['SIGBREAK'] as const) : []),
]

/** While the model is loaded, the first signal that ends serving, and the second that ends what runs. */
class Signals {
  readonly first: Promise<'signal'>
  readonly second: Promise<void>
  readonly #loading = new AbortController()
  readonly #listener: () => void
  #count = 0

  constructor() {
    let tellFirst: (value: 'signal') => void
    let tellSecond: () => void
    this.first = new Promise(resolve => {
      tellFirst = resolve
    })
    this.second = new Promise(resolve => {
      tellSecond = resolve
    })
    this.#listener = () => {
      this.#count += 1
      this.#loading.abort(new Error('interrupted'))
      if (this.#count === 1) tellFirst('signal')
      else tellSecond()
    }
    for (const signal of ENDING) process.on(signal, this.#listener)
  }

  /** Aborted by the first signal. */
  get loading(): AbortSignal {
    return this.#loading.signal
  }

  off(): void {
    for (const signal of ENDING) process.off(signal, this.#listener)
  }
}
