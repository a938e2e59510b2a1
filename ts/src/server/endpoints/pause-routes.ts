// `POST /pause`, `POST /resume`, `GET /is_paused`: steps stop and go on; what comes in between waits.

import type { PauseMode } from '../../engine/index.js'
import { pausedObject, pausedSchema, statusSchema } from '../protocol/operation-objects.js'
import { RequestError } from '../request-error.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

const modes: readonly PauseMode[] = ['abort', 'wait', 'keep']

export const pauseRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/pause',
  description: {
    summary:
      'Stop running steps. `mode`: what runs is ended (`abort`), brought to its end (`wait`), or stays (`keep`).',
    tag: 'Development',
    query: { mode: modes },
    response: statusSchema,
  },
  handle: async ({ query }, { engine }) => {
    const asked = query.get('mode') ?? 'abort'
    const mode = modes.find(each => each === asked)
    if (mode === undefined) throw RequestError.badRequest(`mode must be one of ${modes.join(', ')}.`, 'mode')
    await engine.pause(mode)
    return { kind: 'json', body: { status: 'paused' } }
  },
}

export const resumeRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/resume',
  description: { summary: 'Run steps again', tag: 'Development', response: statusSchema },
  handle: async (_request, { engine }) => {
    engine.resume()
    return { kind: 'json', body: { status: 'resumed' } }
  },
}

export const isPausedRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/is_paused',
  description: { summary: 'Whether steps are stopped', tag: 'Development', response: pausedSchema },
  handle: async (_request, { engine }) => ({ kind: 'json', body: pausedObject(engine.paused) }),
}
