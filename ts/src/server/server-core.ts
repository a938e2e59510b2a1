// A server without a way to its clients: the context, the intake, the metrics and the dispatcher over one engine.

import { packageVersion } from '../config/package-version.js'
import type { Engine } from '../engine/index.js'
import { warnWithoutToolParser } from './chat/parser-choice.js'
import type { Clock } from './clock.js'
import { Dispatcher } from './dispatcher.js'
import type { Logger } from './logger.js'
import { EngineMetrics } from './metrics/engine-metrics.js'
import { HttpMetrics } from './metrics/http-metrics.js'
import { PoolingIntake } from './pooling-intake.js'
import { RequestError } from './request-error.js'
import { RequestIntake } from './request-intake.js'
import { ResponseStore } from './responses/response-store.js'
import type { Route } from './route.js'
import { routesFor } from './routes.js'
import type { Operations, ServerContext } from './server-context.js'
import { parseModelNames, parseServerOptions, type ServerOptions } from './server-options.js'
import { loadTracing } from './tracing.js'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
/** Asked for every token: `timeOrigin` takes longer than `now`. */
const { timeOrigin } = performance
const wallClock: Clock = { now: () => timeOrigin + performance.now() }

export class ServerCore {
  readonly context: ServerContext
  readonly dispatcher: Dispatcher
  /** Resolves when it is known whether there is an OpenTelemetry to tell of requests. */
  readonly tracingLoaded: Promise<void>
  readonly #intake: RequestIntake
  readonly #pooling: PoolingIntake
  #draining = false

  /** @throws InvalidArgumentError. */
  constructor(engine: Engine, options: ServerOptions = {}) {
    const config = parseServerOptions(options)
    const modelNames = parseModelNames(options)
    const { logger = silent, clock = wallClock } = options
    const metrics = new EngineMetrics(engine, modelNames[0])
    const http = new HttpMetrics()
    const maxSequences = (config.gate.maxNumSeqs ?? engine.maxNumSeqs) + config.gate.maxQueue
    const shared = { engine, metrics, logger, clock, log: config.log, maxSequences }
    const intake = new RequestIntake(shared)
    const pooling = new PoolingIntake(shared)
    const routes = routesFor(config.endpoints)
    this.#intake = intake
    this.#pooling = pooling
    this.context = {
      engine,
      modelNames,
      config,
      logger,
      clock,
      submit: (request, from) => intake.submit(request, from),
      pool: (call, from) => pooling.run(call, from),
      onToolParse: look => metrics.toolParsed(look),
      checkModel: model => {
        if (model != null && !modelNames.includes(model)) throw RequestError.modelNotFound(model)
      },
      responses: new ResponseStore(config.responses),
      operations: this.#operations({ routes, metrics, http, startedMs: clock.now() }),
    }
    warnWithoutToolParser(this.context)
    this.dispatcher = new Dispatcher(this.context, routes, http)
    this.tracingLoaded = loadTracing(modelNames[0], packageVersion()).then(tracing => {
      intake.tracing = tracing
    })
  }

  /** Takes no more requests. */
  drain(): void {
    this.#draining = true
    this.#intake.close()
    this.#pooling.close()
  }

  /** The engine is left to others. */
  leaveEngine(): void {
    this.#intake.leaveEngine()
  }

  /** Ends what runs; clients are told that the server shuts down. */
  abortAll(): void {
    this.dispatcher.abortAll(new RequestError(503, 'The server is shutting down.'))
    this.#intake.abortAll()
    this.#pooling.abortAll()
  }

  #operations(parts: OperationParts): Operations {
    const { routes, metrics, http, startedMs } = parts
    const isDraining = () => this.#draining
    const [intake, pooling] = [this.#intake, this.#pooling]
    return {
      metricsText: async () => `${await metrics.text()}\n${await http.text()}`,
      get numRequests() {
        return intake.numRequests + pooling.numRequests
      },
      abort: requestIds => intake.abort(requestIds) + pooling.abort(requestIds),
      abortAll: () => intake.abortAll() + pooling.abortAll(),
      get draining() {
        return isDraining()
      },
      version: packageVersion(),
      startedMs,
      routes,
    }
  }
}

interface OperationParts {
  readonly routes: readonly Route<ServerContext>[]
  readonly metrics: EngineMetrics
  readonly http: HttpMetrics
  readonly startedMs: number
}
