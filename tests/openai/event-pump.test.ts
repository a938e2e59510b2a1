// The pump between a stream and its reader: one frame for each piece of news, none while the reader is behind.

import test from 'ava'
import { EventPump, type FrameSource } from '../../ts/src/server/generation/event-pump.js'

/** A source to which a test adds news, and a sink that a test fills and drains. */
class Bench implements FrameSource {
  readonly sent: string[] = []
  /** Frames that the sink takes before it is full. */
  room = Number.POSITIVE_INFINITY
  ended = false
  done = false
  closed = 0
  aborted = 0
  takes = 0
  #news = ''
  #listener: () => void = () => {}
  #drained: () => void = () => {}

  constructor(interval?: number) {
    const pump = new EventPump(this, interval)
    pump.start({
      send: frame => {
        this.sent.push(frame)
        this.room -= 1
        return this.room > 0
      },
      onDrain: listener => {
        this.#drained = listener
      },
      end: () => {
        this.closed += 1
      },
    })
    this.cancel = () => pump.cancel()
  }

  readonly cancel: () => void

  onNews(listener: () => void): void {
    this.#listener = listener
  }

  frames(): string {
    this.takes += 1
    const frames = this.#news
    this.#news = ''
    if (this.ended) this.done = true
    return frames
  }

  abort(): void {
    this.aborted += 1
  }

  say(text: string, last = false): void {
    this.#news += text
    this.ended = last
    this.#listener()
  }

  drain(room = Number.POSITIVE_INFINITY): void {
    this.room = room
    this.#drained()
  }
}

test('news go on at once, and the end closes the stream', t => {
  const bench = new Bench()
  bench.say('a')
  bench.say('b')
  t.deepEqual(bench.sent, ['a', 'b'])
  bench.say('c', true)
  t.deepEqual(bench.sent, ['a', 'b', 'c'])
  t.is(bench.closed, 1)
  bench.say('late', true)
  bench.drain()
  t.is(bench.sent.length, 3)
  t.is(bench.closed, 1)
})

test('while the reader is behind nothing is taken, and what came is one frame then', t => {
  const bench = new Bench()
  bench.room = 1
  bench.say('a')
  const takes = bench.takes
  for (const text of 'bcdef') bench.say(text)
  t.is(bench.takes, takes)
  t.deepEqual(bench.sent, ['a'])
  bench.drain(1)
  t.deepEqual(bench.sent, ['a', 'bcdef'])
  bench.say('g', true)
  t.is(bench.closed, 0)
  bench.drain()
  t.deepEqual(bench.sent, ['a', 'bcdef', 'g'])
  t.is(bench.closed, 1)
})

test('an interval gathers news, but not the first and not the last', t => {
  const bench = new Bench(3)
  for (const text of 'abcdefg') bench.say(text)
  t.deepEqual(bench.sent, ['a', 'bcd', 'efg'])
  bench.say('h')
  bench.say('i', true)
  t.deepEqual(bench.sent, ['a', 'bcd', 'efg', 'hi'])
})

test('a reader that leaves ends the source, and hears no more', t => {
  const bench = new Bench()
  bench.say('a')
  bench.cancel()
  t.is(bench.aborted, 1)
  bench.say('b')
  bench.drain()
  t.deepEqual(bench.sent, ['a'])
  t.is(bench.closed, 0)
})
