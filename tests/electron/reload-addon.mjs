// Loads and unloads the native modules in worker threads, three at a time, and prints what the process grew by meanwhile.

import { Worker } from 'node:worker_threads'

const WARM_UP = 9
const ROUNDS = 50
const AT_ONCE = 3
const texts = new Set()

async function once() {
  const worker = new Worker(new URL('./reloaded-worker.mjs', import.meta.url))
  worker.on('message', text => texts.add(text))
  const code = await new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', resolve)
  })
  if (code !== 0) throw new Error(`a worker ended with code ${code}`)
}

async function rounds(count) {
  for (let done = 0; done < count; done += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - done) }, once))
  }
  global.gc()
  return process.memoryUsage.rss()
}

const before = await rounds(WARM_UP)
const after = await rounds(ROUNDS)
process.stdout.write(`${JSON.stringify({ texts: [...texts], grownBytes: after - before })}\n`)
