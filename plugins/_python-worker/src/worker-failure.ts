// The typed error that a worker's answer stands for.

import {
  type EngineError,
  type ErrorDetails,
  errorFromNative,
  NoFrameworkError,
  RunnerError,
  WorkerError,
} from 'quire-llm/plugin'

/** Builds it from `{ code, message, details, traceback }`. The Python traceback is kept in `details.traceback`. */
export function errorOf(failure: unknown): EngineError {
  const { code, message, details, traceback } = (failure ?? {}) as Record<string, unknown>
  if (typeof code !== 'string' || typeof message !== 'string') {
    return new WorkerError('The worker answered with an error that has no code.')
  }
  const all: ErrorDetails = { ...(typeof details === 'object' ? details : undefined), traceback }
  if (code === 'ERR_NO_FRAMEWORK') return new NoFrameworkError(message, { details: all })
  if (code === 'ERR_WORKER') return new WorkerError(message, { details: all })
  if (code === 'ERR_RUNNER') return new RunnerError(message, { details: all })
  return errorFromNative({ code, message, details: all })
}
