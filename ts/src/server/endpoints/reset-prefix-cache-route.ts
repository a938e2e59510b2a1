// `POST /reset_prefix_cache`: forgets cached prompt beginnings, which no request may be using.

import { RequestError } from '../request-error.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

export const resetPrefixCacheRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/reset_prefix_cache',
  description: { summary: 'Forget cached prompt beginnings', tag: 'Development', errors: [409] },
  handle: async (_request, { engine }) => {
    if (await engine.resetPrefixCache()) return { kind: 'text', body: '' }
    throw new RequestError(409, 'Requests are running; the prefix cache can be reset only when none is.')
  },
}
