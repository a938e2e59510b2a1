// Texts, conversations and lists of ids that leave the JavaScript thread: they give what short ones give, one after the other.

import test from 'ava'
import { WorkQueue } from '../../ts/src/binding/index.js'
import { cutText, mostCharacters } from '../../ts/src/engine/index.js'
import { Engine } from '../../ts/src/engine/node-engine.js'

const engine = await Engine.create({ numBlocks: 64, threads: 1 }, 'inline')
test.after(() => engine.close())

const text = 'Once upon a time, there was a dog. '

test('many texts have the ids that each has alone', async t => {
  // More bytes than are tokenized in one call.
  const texts = Array.from({ length: 300 }, (_, index) => (index % 7 === 0 ? '' : `${index} ${text.repeat(index)}`))
  t.true(texts.join('').length > 1 << 20)
  const all = await engine.encode(texts, true)
  t.is(all.length, texts.length)
  for (const index of [0, 1, 7, 150, 298, 299]) {
    const [alone] = await engine.encode([texts[index] as string], true)
    t.deepEqual(all[index], alone)
  }
})

test('many ids have the text that they have in parts', async t => {
  const [ids = new Int32Array()] = await engine.encode([text.repeat(4_000)], false)
  t.true(ids.length > 1 << 15)
  t.is(await engine.decodeMany(ids, false), engine.decode(ids, false))
  t.is(await engine.decodeMany(ids.subarray(0, 10), false), engine.decode(ids.subarray(0, 10), false))
})

test('a long conversation is rendered as a short one is', async t => {
  for (const content of ['hi', text.repeat(2_000), `${text.repeat(2_000)}\ud800 \\ud800`]) {
    const messages = [{ role: 'user', content }]
    t.is(await engine.renderLongChat(messages, {}), engine.renderChat(messages, {}))
  }
  t.regex(await engine.renderLongChat([{ role: 'user', content: 'a\ud800b \\ud800' }], {}), /a\ufffdb \\ud800/)
  const raising = { chatTemplate: "{{ raise_exception('no') }}" }
  const long = [{ role: 'user', content: text.repeat(2_000) }]
  await t.throwsAsync(engine.renderLongChat(long, raising), { code: 'ERR_CHAT_TEMPLATE', message: /no/ })
})

test('work takes turns, also after work that failed', async t => {
  const turns = new WorkQueue(1)
  const order: string[] = []
  const work = (name: string, fails = false) =>
    turns.run(async () => {
      order.push(`${name} begins`)
      await new Promise(resolve => setImmediate(resolve))
      order.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    })
  const [one, other] = [work('one'), work('other', true)]
  const throwing = turns.run(() => {
    throw new Error('at once')
  })
  const third = work('third')
  await t.throwsAsync(other, { message: 'other' })
  await t.throwsAsync(throwing, { message: 'at once' })
  t.is(await one, 'one')
  t.is(await third, 'third')
  t.deepEqual(order, ['one begins', 'one ends', 'other begins', 'other ends', 'third begins', 'third ends'])
})

test('work that nobody waits for any more is not begun, and keeps its turn if it was', async t => {
  const queue = new WorkQueue(2)
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  interface Waiter {
    readonly controller: AbortController
    readonly result: Promise<void>
  }
  const waiters = ['one', 'two', 'three', 'four'].map((name): Waiter => {
    const controller = new AbortController()
    const work = () => {
      begun.push(name)
      return new Promise<void>(resolve => ends.set(name, resolve))
    }
    return { controller, result: queue.run(work, controller.signal) }
  })
  t.deepEqual(begun, ['one', 'two'])
  const [one, two, three, four] = waiters as [Waiter, Waiter, Waiter, Waiter]
  for (const { controller, result } of [one, three]) {
    controller.abort('left')
    await t.throwsAsync(result, { code: 'ERR_ABORTED' })
  }
  t.deepEqual(begun, ['one', 'two'])
  await t.throwsAsync(
    queue.run(() => t.fail() as never, AbortSignal.abort()),
    { code: 'ERR_ABORTED' },
  )
  for (const name of ['one', 'two']) ends.get(name)?.()
  await two.result
  t.deepEqual(begun, ['one', 'two', 'four'])
  ends.get('four')?.()
  await four.result
})

test('a text is cut where nothing of it could be kept, and not within a character', t => {
  for (const [given, most, side, expected] of [
    ['abc', 3, 'left', 'abc'],
    ['abc', 2, 'left', 'bc'],
    ['abc', 2, 'right', 'ab'],
    ['a\u{1f600}b', 2, 'right', 'a'],
    ['a\u{1f600}b', 2, 'left', 'b'],
    ['a\u{1f600}b', 3, 'left', '\u{1f600}b'],
  ] as const) {
    t.is(cutText(given, most, side), expected, `${given} ${most} ${side}`)
  }
  t.is(mostCharacters(10, 5), 1 << 16)
  t.is(mostCharacters(100_000, 15), 100_000 * 16 * 4)
  t.true(engine.longestToken >= '<|assistant|>'.length)
})
