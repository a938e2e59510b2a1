// The program of the loop's thread: brings the model up and runs the loop; speaks to the requests' thread by messages.

import { type MessagePort, workerData } from 'node:worker_threads'
import { selectPlugin } from '../plugin/selection.js'
import type { EmbedJob } from './embed-queue.js'
import { LoopHost } from './loop-host.js'
import type { LoopCalls, LoopCommand, LoopEvent, LoopReport, LoopThreadData } from './loop-messages.js'
import { packStep } from './loop-messages.js'
import type { LoopEvents } from './loop-port.js'
import { rankOpener } from './model-opening.js'
import { nodePlatform } from './node-platform.js'
import { toPortable } from './portable-error.js'

/** Sends what has gathered in a turn as one message. */
class Outbox {
  readonly #port: MessagePort
  #events: LoopEvent[] = []
  host: LoopHost | undefined

  constructor(port: MessagePort) {
    this.#port = port
  }

  push(event: LoopEvent): void {
    if (this.#events.length === 0) queueMicrotask(() => this.flush())
    this.#events.push(event)
  }

  flush(): void {
    const report: LoopReport = { events: this.#events, ...(this.host !== undefined && { stats: this.host.stats() }) }
    this.#events = []
    this.#port.postMessage(report)
  }
}

/** The loop's events as messages. */
function eventsTo(outbox: Outbox): LoopEvents {
  return {
    scheduled: (sequenceIds, atMs) => outbox.push({ kind: 'scheduled', sequenceIds, atMs }),
    stepped: news => outbox.push({ kind: 'stepped', step: packStep(news) }),
    failed: (sequenceIds, cause) =>
      outbox.push({ kind: 'failed', sequenceIds: [...sequenceIds], cause: toPortable(cause) }),
    lost: cause => outbox.push({ kind: 'lost', cause: toPortable(cause) }),
    restarted: () => outbox.push({ kind: 'restarted' }),
    broke: cause => outbox.push({ kind: 'broke', cause: toPortable(cause) }),
  }
}

type Calls = {
  readonly [Name in keyof LoopCalls]: (argument: unknown, signal: AbortSignal) => Promise<LoopCalls[Name]['result']>
}

function callsOf(host: LoopHost): Calls {
  return {
    resetPrefixCache: () => host.resetPrefixCache(),
    embed: (argument, signal) => host.embed(argument as EmbedJob, signal),
    pause: async () => {
      await host.pause()
      return undefined
    },
    idle: async () => {
      await host.idle()
      return undefined
    },
    close: async () => {
      await host.close()
      return undefined
    },
  }
}

/** By the ids of calls that have no answer yet. */
type Cancels = Map<number, AbortController>

function obey(command: LoopCommand, host: LoopHost, calls: Calls, cancels: Cancels, outbox: Outbox): void {
  switch (command.kind) {
    case 'add': {
      const { ticket, request } = command
      host.add(request, {
        taken: first => outbox.push({ kind: 'taken', ticket, first }),
        refused: error => outbox.push({ kind: 'refused', ticket, error: toPortable(error) }),
      })
      return
    }
    case 'abort':
      host.abort(command.sequenceIds)
      outbox.flush()
      return
    case 'resume':
      host.resume()
      return
    case 'call': {
      const { id, name, argument } = command
      const controller = new AbortController()
      cancels.set(id, controller)
      calls[name](argument, controller.signal)
        .then(
          value => outbox.push({ kind: 'result', id, value }),
          (error: unknown) => outbox.push({ kind: 'threw', id, error: toPortable(error) }),
        )
        .finally(() => cancels.delete(id))
      return
    }
    case 'cancel':
      cancels.get(command.id)?.abort()
  }
}

async function run(port: MessagePort, data: LoopThreadData): Promise<void> {
  const outbox = new Outbox(port)
  const { config, framework, device, appDirectory, entryScript } = data
  const selection = await selectPlugin({
    framework,
    device,
    appDirectory,
    env: process.env,
    ...(entryScript !== undefined && { entryScript }),
  })
  const onProgress = (fraction: number) => outbox.push({ kind: 'progress', fraction })
  const host = await LoopHost.create(config, await rankOpener(selection), eventsTo(outbox), onProgress, nodePlatform)
  outbox.host = host
  const calls = callsOf(host)
  const cancels: Cancels = new Map()
  port.on('message', (commands: readonly LoopCommand[]) => {
    for (const command of commands) obey(command, host, calls, cancels, outbox)
  })
  outbox.push({ kind: 'ready', facts: host.facts })
}

const { port, ...data } = workerData as LoopThreadData & { readonly port: MessagePort }
run(port, data).catch((error: unknown) => {
  port.postMessage({ events: [{ kind: 'broke', cause: toPortable(error) }] } satisfies LoopReport)
  port.close()
})
