// An engine on a runner without a model, behind a server: what tests of the server talk to.

import type { ExecutionContext } from 'ava'
import type { Engine } from '../../ts/src/engine/index.js'
import { createHandler, NodeServer, type NodeServerOptions, type ServerOptions } from '../../ts/src/server/index.js'
import { createFakeEngine, type FakeOptions, type FakeRunner } from '../engine/fake-plugin.js'

/** As many as the bundled tokenizer has. */
const VOCAB_SIZE = 2048

export interface ServedEngine {
  readonly engine: Engine
  readonly runner: FakeRunner
  readonly server: NodeServer
  readonly url: string
}

/** Closed when the test ends. */
export async function serveFake(
  t: ExecutionContext,
  options: NodeServerOptions = {},
  fake: FakeOptions = {},
): Promise<ServedEngine> {
  const { engine, runner } = await fakeEngine(t, fake)
  const where = options.uds === undefined ? { host: '127.0.0.1', port: 0 } : {}
  const server = await NodeServer.listen(engine, { ...where, ...options })
  t.teardown(() => server.close())
  return { engine, runner, server, url: options.uds === undefined ? server.url : '' }
}

export async function handleFake(t: ExecutionContext, options: ServerOptions = {}, fake: FakeOptions = {}) {
  const { engine, runner } = await fakeEngine(t, fake)
  return { engine, runner, handler: createHandler(engine, options) }
}

async function fakeEngine(t: ExecutionContext, fake: FakeOptions) {
  const made = await createFakeEngine(
    { vocabSize: VOCAB_SIZE, maxModelLen: 4096, ...fake },
    { loadTokenizer: true, numBlocks: 4096 },
  )
  t.teardown(() => made.engine.close())
  return made
}

/** A completion request: greedy, its prompt token ids. */
export function completion(fields: object = {}): { method: 'POST'; headers: Record<string, string>; body: string } {
  const body = { prompt: [1, 2, 3], max_tokens: 8, temperature: 0, ignore_eos: true, ...fields }
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** Steps that begin only while the gate is open. */
export class StepGate {
  #opened: Promise<void> = Promise.resolve()
  #open = () => {}

  readonly onStep = (): Promise<void> => this.#opened

  close(): void {
    this.#opened = new Promise(resolve => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#open()
  }
}

/** Nothing runs, nothing waits, every block is free. */
export function isIdle(engine: Engine): boolean {
  const { numRunning, numWaiting, numFreeBlocks, numUsableBlocks } = engine.stats()
  return numRunning === 0 && numWaiting === 0 && numFreeBlocks === numUsableBlocks && engine.numRequests === 0
}

/** Waits for what must come; throws if it does not. */
export async function until(what: string, isTrue: () => boolean, limitMs = 120_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

export interface StreamedEvent {
  readonly choices: readonly { readonly index: number; readonly text: string }[]
}

/** The JSON events of a stream, without `[DONE]`. */
export function eventsOf(sse: string): StreamedEvent[] {
  return sse
    .split('\n\n')
    .filter(frame => frame.startsWith('data: {'))
    .map(frame => JSON.parse(frame.slice('data: '.length)))
}

/** The text of one choice of a stream. */
export function textOf(sse: string, index = 0): string {
  return eventsOf(sse)
    .flatMap(({ choices }) => choices.filter(choice => choice.index === index).map(({ text }) => text))
    .join('')
}
