// Loaded into the server before it starts (`node --import`): tells over the process's channel how long its event loop is held
// and how much memory it has. It answers questions and does nothing by itself.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

if (isMainThread && process.channel !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  process.on('message', question => {
    if (question === 'reset') histogram.reset()
    else if (question !== 'read') return
    globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    const milliseconds = nanoseconds => Math.round(nanoseconds / 1e4) / 100
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
