// `GET /docs`: the endpoints as a page that needs nothing from elsewhere. The page reads `/openapi.json`.

import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

/** Nothing may be loaded but the document, and nothing may frame the page. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quire: endpoints</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
details { border: 1px solid #8886; border-radius: .4rem; margin: .4rem 0; padding: .4rem .8rem }
summary { cursor: pointer }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { overflow: auto; max-height: 30rem; background: #8881; padding: .6rem; border-radius: .3rem }
b { display: inline-block; min-width: 4rem }
</style>
<h1>Quire</h1>
<p>The machine-readable form is <a href="openapi.json">openapi.json</a>.</p>
<main>Loading ...</main>
<script>
const element = (name, text, ...children) => {
  const made = document.createElement(name)
  made.append(...(text === '' ? [] : [text]), ...children)
  return made
}
const shape = (title, value) => [element('h4', title), element('pre', JSON.stringify(value, null, 2))]
fetch('openapi.json').then(reply => reply.json()).then(({ info, paths }) => {
  const main = document.querySelector('main')
  main.replaceChildren(element('p', 'Version ' + info.version))
  const groups = new Map()
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const parts = []
      for (const parameter of operation.parameters ?? []) parts.push(...shape(parameter.in + ' ' + parameter.name, parameter.schema))
      const request = operation.requestBody?.content['application/json']?.schema
      if (request) parts.push(...shape('Request', request))
      for (const [status, reply] of Object.entries(operation.responses)) {
        parts.push(element('p', status + ': ' + reply.description))
        for (const [type, { schema }] of Object.entries(reply.content ?? {})) {
          if (!schema.$ref) parts.push(...shape(type, schema))
        }
      }
      const head = element('summary', '', element('b', method.toUpperCase()), element('code', path), ' ' + operation.summary)
      const group = groups.get(operation.tags[0]) ?? []
      group.push(element('details', '', head, ...parts))
      groups.set(operation.tags[0], group)
    }
  }
  for (const [tag, entries] of groups) main.append(element('h2', tag), ...entries)
}).catch(error => { document.querySelector('main').textContent = 'openapi.json could not be read: ' + error })
</script>
</html>
`

export const docsRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/docs',
  description: { summary: 'The endpoints as a page', tag: 'Operations', contentType: 'text/html' },
  handle: async () => ({
    kind: 'text',
    body: page,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': POLICY,
      'x-frame-options': 'DENY',
    },
  }),
}
