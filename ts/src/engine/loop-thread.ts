// The loop in a thread of Node: the thread that serves sockets runs no steps.

import { extname } from 'node:path'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { unpackedUrl } from '../config/unpacked-path.js'
import { InternalError, WorkerError } from '../errors.js'
import type { LoopReport, LoopThreadData } from './loop-messages.js'
import type { LoopEvents } from './loop-port.js'
import { type LoopLine, type LoopLineEvents, RemoteLoop } from './remote-loop.js'

/** Starts the thread and brings the model up there. @throws as `LoopHost.create`. */
export function startLoopThread(
  data: LoopThreadData,
  events: LoopEvents,
  onProgress: (fraction: number) => void,
): Promise<RemoteLoop> {
  return RemoteLoop.create({
    connect: lineEvents => connect(data, lineEvents),
    events,
    onProgress,
    whereFramework: `\`await useFramework('${data.framework}')\` gives this thread one of its own.`,
  })
}

function connect(data: LoopThreadData, { report, lost }: LoopLineEvents): LoopLine {
  const entry = unpackedUrl(new URL(`./loop-thread-entry${extname(import.meta.url)}`, import.meta.url))
  const { port1: port, port2 } = new MessageChannel()
  const worker = new Worker(entry, {
    name: 'quire loop',
    workerData: { ...data, port: port2 },
    transferList: [port2],
    ...flagsForThread(process.execArgv),
  })
  port.on('message', (message: LoopReport) => report(message))
  port.unref()
  worker.on('error', (cause: unknown) => lost(cause instanceof Error ? cause : new WorkerError(String(cause))))
  worker.on('exit', code => lost(new InternalError(`The thread of the loop ended with code ${code}.`)))
  return {
    send: commands => port.postMessage(commands),
    soon: work => setImmediate(work),
    receive: () => receiveMessageOnPort(port)?.message as LoopReport | undefined,
    hold: keepAlive => (keepAlive ? worker.ref() : worker.unref()),
    end: async () => {
      await worker.terminate()
      port.close()
    },
  }
}

/**
 * Flags for a thread of a process that was given its program as text (`node -e`): a thread takes the flags of its process by
 * itself, but would take that program too. Of its flags those that load modules are kept.
 */
function flagsForThread(flags: readonly string[]): { execArgv?: string[] } {
  if (!flags.some(flag => /^(?:-e|-p|-pe|--eval|--print|--input-type=.*)$/.test(flag))) return {}
  const takesValue = /^(?:-r|--require|--import|--loader|--experimental-loader|-C|--conditions)$/
  const kept = flags.filter(
    (flag, at) => takesValue.test(flag.split('=')[0] ?? '') || takesValue.test(flags[at - 1] ?? ''),
  )
  return { execArgv: kept }
}
