// Whether the hub answers, and whether it takes the token: for `quire doctor`.

import { reasonOf } from './hub-failure.js'
import type { HubSettings } from './hub-settings.js'
import { discard } from './response-body.js'

export interface HubState {
  readonly endpoint: string
  /** `offline`: it may not be asked, and was not. */
  readonly state: 'reachable' | 'unreachable' | 'offline'
  /** Why not, where it is not reachable. */
  readonly reason?: string
  readonly token: 'none' | 'accepted' | 'refused' | 'unchecked'
}

const TIMEOUT_MS = 3000

/** Never throws. */
export async function probeHub(settings: HubSettings): Promise<HubState> {
  const { token, offline } = settings
  const endpoint = settings.endpoint.href.replace(/\/$/, '')
  const unchecked = token === undefined ? 'none' : 'unchecked'
  if (offline !== undefined) return { endpoint, state: 'offline', reason: offline, token: unchecked }
  try {
    const response = await settings.fetch(new URL(`${endpoint}/api/whoami-v2`), {
      headers: { 'user-agent': 'quire-llm', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    await discard(response)
    const { status, ok } = response
    if (status >= 500) return { endpoint, state: 'unreachable', reason: `it answered ${status}`, token: unchecked }
    const answer = ok ? 'accepted' : status === 401 || status === 403 ? 'refused' : 'unchecked'
    return { endpoint, state: 'reachable', token: token === undefined ? 'none' : answer }
  } catch (error) {
    return { endpoint, state: 'unreachable', reason: reasonOf(error), token: unchecked }
  }
}
