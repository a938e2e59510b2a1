// `GET /`: the chat page, and `GET /ui/...`: its files. The page talks to the other endpoints as any client does.

import { RequestError } from '../request-error.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { pageReply, readPageFile } from './page-file.js'

/** All that may be asked for by name. */
const FILES: ReadonlySet<string> = new Set([
  'answer-view.js',
  'chat.css',
  'conversation.js',
  'element.js',
  'icon.svg',
  'live-metrics.js',
  'main.js',
  'parameters.js',
  'server-api.js',
  'token-aligner.js',
  'token-inspector.js',
])

const pageRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/',
  description: { summary: 'A page to chat with the model', tag: 'Operations', contentType: 'text/html' },
  handle: async ({ headers }, { config }) => {
    const page = await readPageFile('index.html')
    return pageReply('index.html', withBase(page, config.gate.rootPath), headers)
  },
}

const pageFileRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/ui/:file',
  description: { summary: 'A file of the chat page', tag: 'Operations', contentType: '*/*' },
  handle: async ({ headers, params }) => {
    const name = params.file as string
    if (!FILES.has(name)) throw new RequestError(404, `The chat page has no file ${JSON.stringify(name)}.`)
    return pageReply(name, await readPageFile(name), headers)
  },
}

export const pageRoutes: readonly Route<ServerContext>[] = [pageRoute, pageFileRoute]

/** With a root path, the page may have been asked for without the slash at its end, which its paths are relative to. */
function withBase(page: string, rootPath: string): string {
  if (rootPath === '') return page
  // The function keeps `$` of the path from being read as a pattern.
  return page.replace('<meta charset="utf-8">', meta => `${meta}\n    <base href="${escaped(rootPath)}/">`)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')
}
