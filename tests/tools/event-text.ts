// What a parser told, gathered: pieces of one kind that follow each other are joined, as a client would.

import type { MessageEvent } from '../../ts/src/server/tools/index.js'

export type AnyEvent = MessageEvent

export interface AnyParser {
  push(delta: string): readonly AnyEvent[]
  finish(): readonly AnyEvent[]
}

/** The events of a text that comes in these pieces. */
export function eventsOf(parser: AnyParser, pieces: readonly string[]): AnyEvent[] {
  const events = [...pieces.flatMap(piece => parser.push(piece)), ...parser.finish()]
  const joined: AnyEvent[] = []
  for (const event of events) {
    const last = joined.at(-1)
    if (event.kind !== 'call' && last?.kind === event.kind && indexOf(last) === indexOf(event)) {
      joined.splice(-1, 1, { ...last, text: (last as { text: string }).text + event.text } as AnyEvent)
    } else joined.push(event)
  }
  return joined
}

/** Every cut in two, one character at a time, and random cuts. */
export function* cutsOf(text: string, random: () => number): Generator<readonly string[]> {
  for (let at = 0; at <= text.length; at += 1) yield [text.slice(0, at), text.slice(at)]
  yield [...Array(text.length).keys()].map(at => text.charAt(at))
  for (let round = 0; round < 10; round += 1) {
    const pieces: string[] = []
    for (let at = 0; at < text.length; ) {
      const length = 1 + Math.floor(random() * 12)
      pieces.push(text.slice(at, at + length))
      at += length
    }
    yield pieces
  }
}

/** Numbers in [0, 1), the same ones every time (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function indexOf(event: AnyEvent): number | undefined {
  return 'index' in event ? event.index : undefined
}
