// How busy the server is: read from /metrics each second while the page can be seen.

import { byId } from './element.js'

const PERIOD_MS = 1000
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 })

export class LiveMetrics {
  #api
  #last
  #timer

  constructor(api) {
    this.#api = api
    document.addEventListener('visibilitychange', () => this.#begin())
    this.#begin()
  }

  #begin() {
    clearTimeout(this.#timer)
    this.#last = undefined
    if (document.visibilityState === 'visible') this.#read()
  }

  async #read() {
    try {
      this.#show(parse(await this.#api.text('metrics', AbortSignal.timeout(10 * PERIOD_MS))))
    } catch {
      // The server is gone or lets nobody see; the next reading may do better.
      this.#blank()
    }
    if (document.visibilityState !== 'visible') return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#read(), PERIOD_MS)
  }

  #show(values) {
    const kv = values.get('vllm:kv_cache_usage_perc') ?? 0
    const now = { ms: performance.now(), tokens: values.get('vllm:generation_tokens_total') ?? 0 }
    const last = this.#last
    this.#last = now
    const grown = last === undefined ? 0 : Math.max(0, now.tokens - last.tokens)
    put('running', whole.format(values.get('vllm:num_requests_running') ?? 0))
    put('waiting', whole.format(values.get('vllm:num_requests_waiting') ?? 0))
    put('kv', percent.format(kv))
    put('rate', last === undefined ? '–' : whole.format((grown * 1000) / (now.ms - last.ms)))
    byId('metric-kv-meter').value = kv
  }

  #blank() {
    this.#last = undefined
    for (const name of ['running', 'waiting', 'kv', 'rate']) put(name, '–')
    byId('metric-kv-meter').value = 0
  }
}

function put(name, text) {
  const place = byId(`metric-${name}`)
  if (place.textContent !== text) place.textContent = text
}

/** Prometheus' text format: the sum of each name over its labels. */
function parse(text) {
  const values = new Map()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const name = line.slice(0, line.search(/[{ ]/))
    const value = Number(line.slice(line.lastIndexOf(' ') + 1))
    values.set(name, (values.get(name) ?? 0) + value)
  }
  return values
}
