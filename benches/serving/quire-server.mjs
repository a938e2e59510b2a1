// `quire serve` in a process of its own, with the probe in it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const quire = fileURLToPath(new URL('../../ts/bin/quire.js', import.meta.url))
const probe = new URL('event-loop-probe.mjs', import.meta.url).href

/** Resolves once it serves: its URL, milliseconds from the start of the process, and what to ask it. */
export async function startServer(args, nodeArguments = []) {
  const startedAt = performance.now()
  const child = spawn(
    process.execPath,
    [...nodeArguments, '--import', probe, quire, 'serve', '--host', '127.0.0.1', '--port', '0', ...QUIET, ...args],
    { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  )
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    errors = (errors + text).slice(-4000)
  })
  const url = await new Promise((resolve, reject) => {
    let output = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      output = (output + text).slice(-4000)
      const ready = /ready on (http:\S+)/.exec(output)
      if (ready !== null) resolve(ready[1])
    })
    child.once('exit', code => reject(new Error(`quire serve ended with ${code}: ${errors}`)))
  })
  const readyMs = performance.now() - startedAt
  const ask = async question => {
    const answer = once(child, 'message')
    child.send(question)
    return (await answer)[0]
  }
  const stop = async () => {
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }
  return { url, readyMs, reset: () => ask('reset'), read: () => ask('read'), stop }
}

const QUIET = ['--disable-access-log', '--disable-log-stats', '--log-level', 'error', '--shutdown-timeout', '0']
