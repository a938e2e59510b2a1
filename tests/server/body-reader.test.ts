// How bodies share the thread that reads them: by what is taken of each, and in which order, without sockets.

import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { type BodyChunks, BodyReader } from '../../ts/src/server/body-reader.js'
import { nodeBody } from '../../ts/src/server/node-body.js'

const CHUNK = 1 << 16
const limits = { maxBodyBytes: 64 << 20, maxBodiesBytes: 1 << 30, bodyTimeoutMs: 60_000 }

/** A body of so many chunks that are all there. */
async function* chunksOf(count: number, taken: () => void): AsyncGenerator<Uint8Array, undefined, undefined> {
  for (let index = 0; index < count; index += 1) {
    taken()
    yield new Uint8Array(CHUNK)
  }
}

function read(reader: BodyReader, chunks: BodyChunks, contentLength: number | null): Promise<number> {
  const length = contentLength === null ? null : String(contentLength)
  const { signal } = new AbortController()
  return reader.read({ chunks, contentLength: length, signal }, { bytes: 0 }, async bytes => bytes.length)
}

test('a short body passes large ones that came before it', async t => {
  const reader = new BodyReader(limits)
  const [numBodies, numChunks] = [60, 16]
  let numTaken = 0
  const large = Array.from({ length: numBodies }, (_, index) => {
    const chunks = chunksOf(numChunks, () => {
      numTaken += 1
    })
    // Every other one does not say how long it is.
    return read(reader, chunks, index % 2 === 0 ? numChunks * CHUNK : null)
  })
  await turn()
  t.is(
    await read(
      reader,
      chunksOf(1, () => {}),
      CHUNK,
    ),
    CHUNK,
  )
  t.true(numTaken < (numBodies * numChunks) / 2, `${numTaken} chunks of large bodies were taken`)
  t.deepEqual(await Promise.all(large), Array(numBodies).fill(numChunks * CHUNK))
})

test('of many large bodies the first are whole while the others wait', async t => {
  const reader = new BodyReader(limits)
  const [numBodies, numChunks] = [100, 16]
  let numTaken = 0
  const takenAtEnds = await Promise.all(
    Array.from({ length: numBodies }, async () => {
      const chunks = chunksOf(numChunks, () => {
        numTaken += 1
      })
      await read(reader, chunks, numChunks * CHUNK)
      return numTaken
    }),
  )
  const atFirstEnd = Math.min(...takenAtEnds)
  t.true(atFirstEnd < (numBodies * numChunks) / 2, `${atFirstEnd} chunks were taken when the first body was whole`)
  t.is(numTaken, numBodies * numChunks)
})

test('large bodies wait while connections come, but not for ever', async t => {
  const reader = new BodyReader(limits)
  const numChunks = 20
  let numTaken = 0
  let isRead = false
  const reading = read(
    reader,
    chunksOf(numChunks, () => {
      numTaken += 1
    }),
    null,
  ).then(() => {
    isRead = true
  })
  for (let count = 0; count < 100; count += 1) {
    reader.connected()
    await turn()
  }
  const takenMeanwhile = numTaken
  t.true(takenMeanwhile < numChunks)
  t.is(
    await read(
      reader,
      chunksOf(1, () => {}),
      CHUNK,
    ),
    CHUNK,
  )
  for (let count = 0; count < 10_000 && !isRead; count += 1) {
    reader.connected()
    await turn()
  }
  t.true(isRead)
  await reading
  t.is(numTaken, numChunks)
})

test('a body that waits for its turn when its reply is not wanted any more is given up', async t => {
  const reader = new BodyReader(limits)
  const held = { bytes: 0 }
  const controller = new AbortController()
  const chunks = chunksOf(400, () => {})
  const reading = reader.read({ chunks, contentLength: null, signal: controller.signal }, held, async () => 0)
  await turn()
  controller.abort(new Error('gone'))
  await t.throwsAsync(reading, { message: 'gone' })
  t.true(held.bytes < 400 * CHUNK)
})

test('a socket is read on as the body is', async t => {
  const numChunks = 200
  let numSent = 0
  const source = new Readable({
    highWaterMark: CHUNK,
    read() {
      this.push(numSent < numChunks ? Buffer.alloc(CHUNK, numSent) : null)
      numSent += 1
    },
  })
  const body = nodeBody(source as IncomingMessage)
  t.is((await body.next()).done, false)
  for (let count = 0; count < 20; count += 1) await turn()
  t.true(numSent < 10, `${numSent} chunks were read for one that is wanted`)
  let length = CHUNK
  for (let next = await body.next(); next.done !== true; next = await body.next()) {
    t.is(next.value[0], length / CHUNK)
    length += next.value.length
  }
  t.is(length, numChunks * CHUNK)
})
