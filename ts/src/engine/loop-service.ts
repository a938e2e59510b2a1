// The other end of a `RemoteLoop`: brings the loop up in this thread, obeys commands and reports events.

import type { EmbedJob } from './embed-queue.js'
import type { LoopRequest } from './engine-request.js'
import type { LoopHost } from './loop-host.js'
import type { LoopCalls, LoopCommand, LoopEvent, LoopReport } from './loop-messages.js'
import { packStep } from './loop-messages.js'
import type { LoopEvents, Withdraw } from './loop-port.js'
import { toPortable } from './portable-error.js'

/** How a loop is brought up: whom it tells, and who hears of its progress. */
export type MakeHost = (events: LoopEvents, onProgress: (fraction: number) => void) => Promise<LoopHost>

/** Sends what has gathered in a turn as one message. */
class Outbox {
  readonly #send: (report: LoopReport) => void
  #events: LoopEvent[] = []
  host: LoopHost | undefined

  constructor(send: (report: LoopReport) => void) {
    this.#send = send
  }

  push(event: LoopEvent): void {
    // Not `queueMicrotask`, which Node wraps into a resource that asynchronous hooks follow: it costs as much as the message.
    if (this.#events.length === 0) Promise.resolve().then(this.#flush)
    this.#events.push(event)
  }

  /** A native module that has failed counts nothing any more; what happened is told all the same. */
  #stats(): LoopReport['stats'] {
    try {
      return this.host?.statNumbers()
    } catch {
      return undefined
    }
  }

  readonly #flush = (): void => this.flush()

  flush(): void {
    const stats = this.#stats()
    const report: LoopReport = stats === undefined ? { events: this.#events } : { events: this.#events, stats }
    this.#events = []
    this.#send(report)
  }
}

/** The loop's events as messages. */
function eventsTo(outbox: Outbox): LoopEvents {
  return {
    scheduled: (sequenceIds, atMs) => outbox.push({ kind: 'scheduled', sequenceIds, atMs }),
    stepped: news => outbox.push({ kind: 'stepped', step: packStep(news) }),
    told: () => {}, // the other side decides: it may have several steps to hear of
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

/** How what has no answer yet is ended early. */
interface Unanswered {
  /** Calls, by their ids. */
  readonly calls: Map<number, AbortController>
  /** Requests, by their tickets. */
  readonly requests: Map<number, Withdraw>
}

function add(ticket: number, request: LoopRequest, host: LoopHost, requests: Unanswered['requests'], outbox: Outbox) {
  let isAnswered = false
  const answer = (event: LoopEvent) => {
    isAnswered = true
    requests.delete(ticket)
    outbox.push(event)
  }
  const withdraw = host.add(request, {
    taken: first => answer({ kind: 'taken', ticket, first }),
    refused: error => answer({ kind: 'refused', ticket, error: toPortable(error) }),
  })
  if (!isAnswered) requests.set(ticket, withdraw)
}

function obey(command: LoopCommand, host: LoopHost, calls: Calls, unanswered: Unanswered, outbox: Outbox): void {
  switch (command.kind) {
    case 'add':
      add(command.ticket, command.request, host, unanswered.requests, outbox)
      return
    case 'withdraw':
      unanswered.requests.get(command.ticket)?.()
      return
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
      unanswered.calls.set(id, controller)
      calls[name](argument, controller.signal)
        .then(
          value => outbox.push({ kind: 'result', id, value }),
          (error: unknown) => outbox.push({ kind: 'threw', id, error: toPortable(error) }),
        )
        .finally(() => unanswered.calls.delete(id))
      return
    }
    case 'cancel':
      unanswered.calls.get(command.id)?.abort()
  }
}

/** Serves the loop that `makeHost` brings up; gives what obeys commands. @throws what `makeHost` throws. */
export async function serveLoop(
  send: (report: LoopReport) => void,
  makeHost: MakeHost,
): Promise<(commands: readonly LoopCommand[]) => void> {
  const outbox = new Outbox(send)
  const host = await makeHost(eventsTo(outbox), fraction => outbox.push({ kind: 'progress', fraction }))
  outbox.host = host
  const calls = callsOf(host)
  const unanswered: Unanswered = { calls: new Map(), requests: new Map() }
  outbox.push({ kind: 'ready', facts: host.facts })
  return commands => {
    for (const command of commands) obey(command, host, calls, unanswered, outbox)
  }
}

/** Says that there is no loop, and why. */
export function reportFailure(send: (report: LoopReport) => void, error: unknown): void {
  send({ events: [{ kind: 'broke', cause: toPortable(error) }] })
}
