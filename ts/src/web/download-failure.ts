// Why a file cannot be had from the web, as typed errors: which of them another attempt may mend, and what else to do.

import { HubError } from '../errors.js'
import { retryAfterMs, TransientFailure } from '../hub/retry.js'

const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

/** Status that says that there is no such file. */
export function isMissing(status: number): boolean {
  return status === 404 || status === 410
}

/** The error for a status of 400 or more. */
export function failureOfStatus(url: string, response: Response): HubError | TransientFailure {
  const { status, headers } = response
  const details = { url, status }
  if (TRANSIENT_STATUS.has(status)) {
    const waitMs = retryAfterMs(headers.get('retry-after'), Date.now())
    const error = new HubError('ERR_HUB_DOWNLOAD', `${url} answered ${status}. Try again later.`, { details })
    return new TransientFailure(error, { waitMs })
  }
  if (isMissing(status)) return new HubError('ERR_HUB_NOT_FOUND', `There is nothing at ${url}.`, { details })
  if (status === 401 || status === 403) {
    return new HubError('ERR_HUB_UNAUTHORIZED', `${url} is not given without permission: it answered ${status}.`, {
      details,
    })
  }
  return new HubError('ERR_HUB_DOWNLOAD', `${url} answered ${status}.`, { details })
}

/** The error where no answer came. A page is not told whether that was the network or the server's policy. */
export function unreachable(url: string, cause: unknown, isOnline: boolean): HubError | TransientFailure {
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (!isOnline) {
    return new HubError('ERR_HUB_OFFLINE', `${url} cannot be fetched: this device is offline.`, {
      cause,
      details: { url, reason: 'offline' },
    })
  }
  const message = `${url} cannot be fetched (${reason}). Either it does not answer, or its server lets no other site read it (CORS).`
  return new TransientFailure(
    new HubError('ERR_HUB_DOWNLOAD', message, { cause, details: { url, reason: 'unreachable' } }),
  )
}

/** The connection was cut, or gave other bytes than announced. `progressed`: some came that stay. */
export function cutOff(url: string, what: string, progressed: boolean, cause?: unknown): TransientFailure {
  const message = `The download of ${url} ${what}. Load again: it goes on from there.`
  const error = new HubError('ERR_HUB_DOWNLOAD', message, { cause, details: { url, reason: 'transfer' } })
  return new TransientFailure(error, { progressed })
}

export function wrongChecksum(url: string, expected: string, found: string): HubError {
  return new HubError('ERR_HUB_DOWNLOAD', `What came from ${url} has the sha256 ${found}, not ${expected}.`, {
    details: { url, reason: 'checksum', expected, found },
  })
}

/** The origin's quota is used up. */
export function noSpace(url: string, cause: unknown, estimate: StorageEstimate | undefined): HubError {
  const { usage, quota } = estimate ?? {}
  const room = usage === undefined || quota === undefined ? '' : ` (${usage} of ${quota} bytes are used)`
  const message = `This site's storage has no room for ${url}${room}. Remove models by \`removeCachedModels()\`, free space on the device, or load with \`storage: 'none'\`.`
  return new HubError('ERR_DISK_FULL', message, { cause, details: { url, ...estimate } })
}
