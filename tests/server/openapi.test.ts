// The document of the endpoints, and the page that shows it.

import test from 'ava'
import { handleFake } from './served-engine.js'

interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly servers: readonly { readonly url: string }[]
  readonly security?: unknown
}

interface Operation {
  readonly operationId: string
  readonly responses: Readonly<Record<string, unknown>>
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: { readonly type?: string } }>> }
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
}

async function documentOf(options: object, t: Parameters<typeof handleFake>[0]): Promise<Document> {
  const { handler } = await handleFake(t, options)
  const response = await handler(new Request('http://localhost/openapi.json'))
  t.is(response.status, 200)
  t.is(response.headers.get('content-type'), 'application/json')
  return (await response.json()) as Document
}

test('every endpoint is described, each by an id of its own, those for development where they are served', async t => {
  const document = await documentOf({}, t)
  t.is(document.openapi, '3.1.0')
  for (const path of [
    '/v1/completions',
    '/v1/chat/completions',
    '/v1/models',
    '/v1/models/{model}',
    '/health',
    '/metrics',
  ])
    t.truthy(document.paths[path], path)
  t.is(document.paths['/pause'], undefined)
  const dev = await documentOf({ dev: true }, t)
  t.deepEqual(
    dev.paths['/pause']?.post?.parameters?.map(({ name, in: where }) => `${where} ${name}`),
    ['query mode'],
  )
  const ids = Object.values(dev.paths).flatMap(methods => Object.values(methods).map(({ operationId }) => operationId))
  t.is(new Set(ids).size, ids.length)
})

test('bodies and replies have schemas, and errors are described', async t => {
  const { paths } = await documentOf({}, t)
  const completions = paths['/v1/completions']?.post
  t.is(completions?.requestBody?.content['application/json']?.schema.type, 'object')
  for (const status of ['200', '400', '413', '429', '500', '503']) t.truthy(completions?.responses[status], status)
  t.deepEqual(
    paths['/v1/models/{model}']?.get?.parameters?.map(({ name }) => name),
    ['model'],
  )
})

test('keys and the root path are told', async t => {
  const document = await documentOf({ apiKeys: ['k'], rootPath: '/llm/' }, t)
  t.deepEqual(document.servers, [{ url: '/llm' }])
  t.deepEqual(document.security, [{ bearer: [] }])
  t.truthy(document.paths['/v1/models']?.get?.responses['401'])
})

test('the page needs nothing from elsewhere, and can be switched off with the document', async t => {
  const { handler } = await handleFake(t)
  const page = await handler(new Request('http://localhost/docs'))
  t.is(page.headers.get('content-type'), 'text/html; charset=utf-8')
  t.notRegex(await page.text(), /(src|href)="?https?:|@import|url\(/)
  const { handler: closed } = await handleFake(t, { docs: false })
  for (const path of ['/docs', '/openapi.json'])
    t.is((await closed(new Request(`http://localhost${path}`))).status, 404)
})
