// Loaded into the server before it starts (`node --import`): tells over the process's channel how long its event loop is held
// and how much memory it has. It answers questions and does nothing by itself.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/** Milliseconds between its looks, each of which wakes a thread and takes a moment from those that compute. */
const INTERVAL_MS = 10

if (isMainThread && process.channel !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: INTERVAL_MS })
  histogram.enable()
  process.on('message', question => {
    if (question === 'reset') histogram.reset()
    else if (question !== 'read') return
    globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    // The histogram has whole intervals: what is longer than asked for is the delay.
    const milliseconds = nanoseconds => Math.max(0, Math.round(nanoseconds / 1e4 - INTERVAL_MS * 100) / 100)
    process.send({
      p50_ms: milliseconds(histogram.percentile(50)),
      p99_ms: milliseconds(histogram.percentile(99)),
      max_ms: milliseconds(histogram.max),
      heap_bytes: heapUsed,
      rss_bytes: rss,
    })
  })
  process.channel.unref()
}
