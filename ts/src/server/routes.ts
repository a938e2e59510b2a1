// All endpoints, one line each.

import { chatCompletionsRoute } from './chat/chat-completions-route.js'
import { completionsRoute } from './completions/completions-route.js'
import { abortRequestsRoute } from './endpoints/abort-requests-route.js'
import { docsRoute } from './endpoints/docs-route.js'
import { healthRoute } from './endpoints/health-route.js'
import { loadRoute } from './endpoints/load-route.js'
import { metricsRoute } from './endpoints/metrics-route.js'
import { modelRoute, modelsRoute } from './endpoints/models-routes.js'
import { openApiRoute } from './endpoints/openapi-route.js'
import { isPausedRoute, pauseRoute, resumeRoute } from './endpoints/pause-routes.js'
import { pingGetRoute, pingPostRoute } from './endpoints/ping-routes.js'
import { resetPrefixCacheRoute } from './endpoints/reset-prefix-cache-route.js'
import { serverInfoRoute } from './endpoints/server-info-route.js'
import { versionRoute } from './endpoints/version-route.js'
import { countTokensRoute, messagesRoute } from './messages/messages-routes.js'
import { embeddingsRoute } from './pooling/embeddings-route.js'
import { rerankRoutes } from './pooling/rerank-routes.js'
import { scoreRoutes } from './pooling/score-routes.js'
import { keptResponseRoutes } from './responses/kept-response-routes.js'
import { responsesRoute } from './responses/responses-route.js'
import type { Route } from './route.js'
import type { EndpointConfig } from './server-config.js'
import type { ServerContext } from './server-context.js'
import { renderChatRoute, renderCompletionRoute } from './tokenize/render-routes.js'
import { detokenizeRoute, tokenizeRoute } from './tokenize/tokenize-routes.js'
import { tokenizerInfoRoute } from './tokenize/tokenizer-info-route.js'
import { pageRoutes } from './ui/page-routes.js'

type Routes = readonly Route<ServerContext>[]

/** What every server has. */
const routes: Routes = [
  completionsRoute,
  renderCompletionRoute,
  chatCompletionsRoute,
  renderChatRoute,
  responsesRoute,
  ...keptResponseRoutes,
  messagesRoute,
  countTokensRoute,
  embeddingsRoute,
  ...scoreRoutes,
  ...rerankRoutes,
  tokenizeRoute,
  detokenizeRoute,
  modelsRoute,
  modelRoute,
  healthRoute,
  pingGetRoute,
  pingPostRoute,
  versionRoute,
  loadRoute,
  metricsRoute,
]

/** But for `--no-docs`. */
const docsRoutes: Routes = [openApiRoute, docsRoute]

/** With `--dev`. */
const devRoutes: Routes = [
  serverInfoRoute,
  resetPrefixCacheRoute,
  abortRequestsRoute,
  pauseRoute,
  resumeRoute,
  isPausedRoute,
]

/** The chat page, but for `--no-ui`. */
const uiRoutes: Routes = pageRoutes

type Switches = Pick<EndpointConfig, 'dev' | 'ui' | 'docs' | 'tokenizerInfo'>

export function routesFor({ dev, ui, docs, tokenizerInfo }: Switches): Routes {
  return [
    ...routes,
    ...(tokenizerInfo ? [tokenizerInfoRoute] : []),
    ...(docs ? docsRoutes : []),
    ...(dev ? devRoutes : []),
    ...(ui ? uiRoutes : []),
  ]
}
