// A server under 10,000 streams of which many are left in the middle: its heap and its memory must not grow, no block may
// stay taken. `--requests N` for fewer, `--minutes M` to go on for so long. Ends with 1 if the memory is not flat.

import { parseArgs } from 'node:util'
import { ConnectionPool, completionBody, parseTarget, requestBytes } from '../../ts/dist/bench/index.js'
import { RandomSource } from '../../ts/dist/bench/random-source.js'
import { median, report } from '../engine/result-file.mjs'
import { startServer } from './quire-server.mjs'

const { values } = parseArgs({
  options: {
    output: { type: 'boolean' },
    requests: { type: 'string', default: '10000' },
    minutes: { type: 'string', default: '0' },
    streams: { type: 'string', default: '64' },
  },
})
const numRequests = Number(values.requests)
const until = performance.now() + Number(values.minutes) * 60_000
const streams = Number(values.streams)
const CANCELLED = 0.4
const SAMPLES = 20
/** Growth from the second quarter to the last that is still flat. */
const MOST_GROWTH = 1.1
const SLACK_BYTES = 8 * 2 ** 20

const server = await startServer([], ['--expose-gc'])
const target = parseTarget({ baseUrl: server.url })
const pool = new ConnectionPool(target)
const random = new RandomSource(1)
const counts = { completed: 0, cancelled: 0, failed: 0 }
const memory = []

/** One stream of random length; resolves when it has ended or was left. */
function one(index) {
  return new Promise(resolve => {
    const prompt = `Once upon a time there were ${index} ${'little '.repeat(random.integer(0, 40))}`
    const body = completionBody(prompt, { model: 'quire-tiny', maxTokens: random.integer(1, 96), ignoreEos: true })
    const leaveAfter = random.uniform() < CANCELLED ? random.integer(0, 8_000) : Number.POSITIVE_INFINITY
    let bytes = 0
    let status = 0
    let left = false
    const end = kind => {
      counts[kind] += 1
      resolve()
    }
    const leave = () => {
      left = true
      stop()
    }
    const stop = pool.send(requestBytes(target, 'POST', '/v1/completions', {}, body), {
      head: code => {
        status = code
      },
      body: (_, start, stopAt) => {
        bytes += stopAt - start
        if (bytes > leaveAfter && !left) leave()
      },
      complete: () => end(status === 200 ? 'completed' : 'failed'),
      failed: () => end(left ? 'cancelled' : 'failed'),
    })
    if (leaveAfter < 1000) setTimeout(leave, random.integer(0, 5)) // before the first token
  })
}

let sent = 0
const sampleEach = Math.max(Math.floor(numRequests / SAMPLES), 1)
async function worker() {
  while (sent < numRequests || performance.now() < until) {
    sent += 1
    if (sent % sampleEach === 0) memory.push(await server.read())
    await one(sent)
  }
}
const startedAt = performance.now()
await Promise.all(Array.from({ length: streams }, worker))
const seconds = (performance.now() - startedAt) / 1000
await new Promise(resolve => setTimeout(resolve, 500))
memory.push(await server.read())
const metrics = await (await fetch(`${server.url}/metrics`)).text()
const gauge = name => Number(new RegExp(`^vllm:${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(metrics)?.[1])
const left = { running: gauge('num_requests_running'), waiting: gauge('num_requests_waiting') }
pool.close()
await server.stop()

const quarter = Math.floor(memory.length / 4)
const growth = key => {
  const of = part => median(part.map(sample => sample[key]))
  const [early, late] = [of(memory.slice(quarter, 2 * quarter)), of(memory.slice(-quarter))]
  return { early, late, flat: late <= early * MOST_GROWTH + SLACK_BYTES }
}
const [heap, rss] = [growth('heap_bytes'), growth('rss_bytes')]
const sound = heap.flat && rss.flat && counts.failed === 0 && left.running === 0 && left.waiting === 0
report('soak', { requests: sent, streams, seconds: Math.round(seconds), ...counts, left, heap, rss, sound })
if (!sound) process.exitCode = 1
