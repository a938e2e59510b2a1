// What Prometheus is told of HTTP: the families that dashboards for Python's web servers read.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'

const DURATION_SECONDS = [0.1, 0.5, 1]
const FINE_DURATION_SECONDS = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60,
]

export interface AnsweredRequest {
  readonly method: string
  /** The route's path; `none` where no route matched, so that hostile paths make no series. */
  readonly handler: string
  readonly status: number
  readonly seconds: number
}

const METHODS = new Set(['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PUT', 'PATCH'])

export class HttpMetrics {
  readonly registry = new Registry()
  readonly #requests = new Counter({
    name: 'http_requests_total',
    help: 'Total number of requests by method, status and handler.',
    labelNames: ['handler', 'method', 'status'] as const,
    registers: [this.registry],
  })
  readonly #duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time until a reply was complete, by handler.',
    labelNames: ['handler', 'method'] as const,
    buckets: DURATION_SECONDS,
    registers: [this.registry],
  })
  readonly #fineDuration = new Histogram({
    name: 'http_request_duration_highr_seconds',
    help: 'Time until a reply was complete, in many buckets but no handler.',
    buckets: FINE_DURATION_SECONDS,
    registers: [this.registry],
  })
  readonly #inProgress = new Gauge({
    name: 'http_requests_inprogress',
    help: 'Number of requests that are being answered.',
    registers: [this.registry],
  })

  began(): void {
    this.#inProgress.inc()
  }

  ended({ method, handler, status, seconds }: AnsweredRequest): void {
    this.#inProgress.dec()
    const known = METHODS.has(method) ? method : 'other'
    this.#requests.inc({ handler, method: known, status: `${Math.floor(status / 100)}xx` })
    this.#duration.observe({ handler, method: known }, seconds)
    this.#fineDuration.observe(seconds)
  }

  text(): Promise<string> {
    return this.registry.metrics()
  }
}
