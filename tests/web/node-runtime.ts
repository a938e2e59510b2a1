// A page and its Worker in this process, over the addons in place of WebAssembly: messages are cloned as they are between
// threads, and model files go to a temporary folder.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { candlePlugin } from '@quire-llm/candle-cpu/portable'
import type { Native } from '../../ts/dist/binding/index.js'
import { loadNative } from '../../ts/dist/binding/node.js'
import { Engine } from '../../ts/dist/engine/engine.js'
import type { WorkerPortEvents } from '../../ts/dist/web/engine-worker.js'
import { planWebEngine, type WebRuntime } from '../../ts/dist/web/web-creation.js'
import type { WebEngineOptions } from '../../ts/dist/web/web-options.js'
import type { WorkerDoor } from '../../ts/dist/web/worker-door.js'
import type { PageMessage, WorkerMessage } from '../../ts/dist/web/worker-messages.js'
import { WorkerProgram } from '../../ts/dist/web/worker-program.js'

/** Model folders of one test's "module". */
class Folder {
  readonly path = join(tmpdir(), `quire-web-${crypto.randomUUID()}`)

  write(path: string, bytes: Uint8Array): void {
    const whole = join(this.path, path)
    mkdirSync(dirname(whole), { recursive: true })
    writeFileSync(whole, bytes)
  }

  openWeights(path: string, byteLength: number) {
    const bytes = new Uint8Array(byteLength)
    let at = 0
    return {
      write: (piece: Uint8Array) => {
        bytes.set(piece, at)
        at += piece.length
      },
      close: () => {
        if (at !== byteLength) throw new Error(`${path} has ${at} of ${byteLength} bytes`)
        this.write(path, bytes)
      },
    }
  }

  ggufHeader(): never {
    throw new Error('the addons read no header of which only the beginning has come')
  }

  remove(directory: string): void {
    rmSync(join(this.path, directory), { recursive: true, force: true })
  }
}

async function openNative(folder: Folder): Promise<Native> {
  const native = await loadNative()
  return {
    ...native,
    loadTokenizer: directory => native.loadTokenizer(join(folder.path, directory)),
    chatTemplateSource: (directory, hasTools) => native.chatTemplateSource(join(folder.path, directory), hasTools),
  }
}

export interface NodeRuntime extends WebRuntime {
  /** Ends the Worker as a browser does that has no memory left. */
  kill(): void
}

export interface RuntimeOptions {
  readonly baseUrl: string
  readonly usedBytes?: number
}

export function nodeRuntime({ baseUrl, usedBytes = 0 }: RuntimeOptions): NodeRuntime {
  const page = new Folder()
  const locks = new Map<string, () => void>()
  let alive = true
  return {
    baseUrl,
    compile: async () => ({ module: {} as WebAssembly.Module, build: 'simd' }),
    openDoor: async () => ({ native: await openNative(page), files: page }),
    watchLock: (name, onFree) => {
      locks.set(name, onFree)
      return () => locks.delete(name)
    },
    spawner: () => events => {
      const program = workerIn(new Folder(), events, () => alive, usedBytes)
      return {
        post: message => {
          const cloned = structuredClone(message)
          setImmediate(() => alive && program(cloned))
        },
        terminate: () => {
          alive = false
        },
      }
    },
    kill: () => {
      alive = false
      for (const onFree of locks.values()) onFree()
    },
  }
}

function workerIn(folder: Folder, events: WorkerPortEvents, isAlive: () => boolean, usedBytes: number) {
  let open: (door: Promise<WorkerDoor>) => void = () => {}
  const door = new Promise<WorkerDoor>(resolve => {
    open = resolve
  })
  const program = new WorkerProgram(
    {
      post: (message: WorkerMessage) => {
        const cloned = structuredClone(message)
        setImmediate(() => isAlive() && events.message(cloned))
      },
      holdLock: async () => {},
    },
    door,
  )
  return (message: PageMessage) => {
    if (message.kind === 'module') open(openWorkerDoor(folder, usedBytes))
    else program.receive(message)
  }
}

async function openWorkerDoor(folder: Folder, usedBytes: number): Promise<WorkerDoor> {
  const candle = (await import('../../plugins/candle-cpu/dist/native.js')) as unknown as {
    loadNative(): Promise<Parameters<typeof candlePlugin>[0]['loadNative'] extends () => Promise<infer N> ? N : never>
  }
  const addon = await candle.loadNative()
  const { Runner } = addon
  const plugin = candlePlugin({
    loadNative: async () =>
      ({
        ...addon,
        Runner: {
          load: (path: string, ...rest: unknown[]) =>
            (Runner.load as (...values: unknown[]) => unknown)(join(folder.path, path), ...rest),
        },
      }) as unknown as typeof addon,
    memory: {
      info: () => ({ totalBytes: 2 ** 30, freeBytes: 2 ** 26 }),
      peakBytes: () => 0,
      resetPeak: () => false,
    },
    parallelism: 1,
    computeThreads: async () => 1,
  })
  return { native: await openNative(folder), plugin, files: folder, usedBytes: () => usedBytes }
}

/** An engine of a page, in a runtime. */
export class PageEngine extends Engine {
  static async create(options: WebEngineOptions, runtime: WebRuntime): Promise<PageEngine> {
    const plan = planWebEngine(options, runtime)
    try {
      const engine = await PageEngine.open(plan, parts => new PageEngine(parts))
      plan.settle()
      return engine
    } catch (error) {
      plan.giveUp()
      throw error
    }
  }
}
