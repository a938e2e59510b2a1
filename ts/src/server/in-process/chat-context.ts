// What a chat in this process needs of a server, without one: no metrics, no routes, and no bound on what waits, which is for
// clients that nobody knows.

import { packageVersion } from '../../config/package-version.js'
import type { Engine } from '../../engine/index.js'
import type { Clock } from '../clock.js'
import type { Logger } from '../logger.js'
import { RequestIntake, type RequestMeter } from '../request-intake.js'
import type { GenerationContext } from '../server-context.js'
import { parseModelNames, parseServerOptions, type ServerOptions } from '../server-options.js'
import { loadTracing } from '../tracing.js'

const uncounted: RequestMeter = { stepped: () => {}, firstToken: () => {}, nextToken: () => {}, ended: () => {} }
const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const clock: Clock = { now: () => performance.timeOrigin + performance.now() }

/** @throws InvalidArgumentError. */
export function chatContext(
  engine: Engine,
  options: Pick<ServerOptions, 'toolCallParser' | 'reasoningParser'>,
): GenerationContext {
  const config = parseServerOptions(options)
  const [modelName] = parseModelNames(options)
  const intake = new RequestIntake({
    engine,
    metrics: uncounted,
    logger: silent,
    clock,
    log: config.log,
    maxSequences: Number.POSITIVE_INFINITY,
  })
  void loadTracing(modelName, packageVersion()).then(tracing => {
    intake.tracing = tracing
  })
  return { engine, config, logger: silent, clock, submit: (request, from) => intake.submit(request, from) }
}
