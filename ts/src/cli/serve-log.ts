// The log of `quire serve`: JSON lines on standard error, by pino. What waits for a reader of the log is bounded, so that one
// who stands still takes no memory and no time.

import { destination, pino } from 'pino'
import type { Logger } from '../server/index.js'
import { UsageError } from './usage-error.js'

const MAX_WAITING_BYTES = 1 << 20

/** Python's names of levels, and pino's. */
const levels: Readonly<Record<string, string>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  warn: 'warn',
  error: 'error',
  critical: 'fatal',
  silent: 'silent',
}

export interface ServeLog {
  readonly logger: Logger
  /** Writes what waits. */
  flush(): void
}

/** @throws UsageError. */
export function openServeLog(level: string): ServeLog {
  const known = levels[level.toLowerCase()]
  if (known === undefined)
    throw new UsageError(`--log-level is one of ${Object.keys(levels).join(', ')}, got '${level}'.`)
  const stream = destination({ dest: 2, sync: false, maxLength: MAX_WAITING_BYTES })
  stream.on('error', () => {})
  const logger = pino({ level: known, base: null }, stream)
  return {
    logger: {
      debug: (fields, message) => logger.debug(fields, message),
      info: (fields, message) => logger.info(fields, message),
      warn: (fields, message) => logger.warn(fields, message),
      error: (fields, message) => logger.error(fields, message),
    },
    flush: () => {
      try {
        stream.flushSync()
      } catch {
        // The reader of the log is gone or stands still.
      }
    },
  }
}
