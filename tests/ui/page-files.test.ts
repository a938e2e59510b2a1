// The chat page's files as the server sends them: types, tags, policy, and what is not sent.

import { readdirSync, readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import type { NodeServerOptions } from '../../ts/src/server/index.js'
import { handleFake } from '../server/served-engine.js'

const FOLDER = new URL('../../ts/assets/ui/', import.meta.url)
const files = readdirSync(FOLDER)

async function get(
  t: ExecutionContext,
  path: string,
  { options = {}, headers = {}, method = 'GET' }: Asked = {},
): Promise<Response> {
  const { handler } = await handleFake(t, options)
  return handler(new Request(`http://localhost${path}`, { method, headers }))
}

interface Asked {
  readonly options?: NodeServerOptions
  readonly headers?: Record<string, string>
  readonly method?: string
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

test('every file of the folder is served as what it is, under the policy', async t => {
  t.true(files.length > 5)
  for (const file of files) {
    const response = await get(t, file === 'index.html' ? '/' : `/ui/${file}`)
    t.is(response.status, 200, file)
    t.is(response.headers.get('content-type'), types[file.split('.').at(-1) as string] ?? 'none', file)
    t.is(response.headers.get('x-content-type-options'), 'nosniff')
    const policy = (response.headers.get('content-security-policy') ?? '').split('; ')
    for (const rule of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]) {
      t.true(policy.includes(rule), rule)
    }
    t.false(policy.some(rule => /unsafe|\*|https?:/.test(rule)))
    t.is(await response.text(), readFileSync(new URL(file, FOLDER), 'utf8'))
  }
})

test('no file names another host', t => {
  for (const file of files) {
    const text = readFileSync(new URL(file, FOLDER), 'utf8').replaceAll('xmlns="http://www.w3.org/2000/svg"', '')
    t.notRegex(text, /https?:\/\/|(?:src|href)="\/|@import|url\(/, file)
  }
})

test('the package carries the page', t => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', FOLDER), 'utf8')) as { files: string[] }
  t.true(manifest.files.includes('assets/ui'))
})

test('a client that has a file is told so', async t => {
  for (const path of ['/', '/ui/main.js']) {
    const etag = (await get(t, path)).headers.get('etag') ?? ''
    t.regex(etag, /^"[\w-]{43}"$/)
    for (const [tags, status] of [
      [etag, 304],
      [`"other", W/${etag}`, 304],
      ['*', 304],
      ['"other"', 200],
    ] as const) {
      const response = await get(t, path, { headers: { 'if-none-match': tags } })
      t.is(response.status, status, tags)
      t.is(response.headers.get('etag'), etag)
      t.is((await response.text()) === '', status === 304)
    }
  }
})

test('HEAD has the headers alone', async t => {
  const response = await get(t, '/', { method: 'HEAD' })
  t.is(response.status, 200)
  t.is(response.headers.get('content-type'), 'text/html; charset=utf-8')
  t.is(await response.text(), '')
})

test('nothing but the files is served', async t => {
  for (const name of ['nothing.js', 'index.html', '..%2Findex.html', '%2e%2e%2fpackage.json', 'main.js/', '']) {
    t.is((await get(t, `/ui/${name}`)).status, 404, name)
  }
})

test('ui: false serves none of it', async t => {
  for (const path of ['/', '/ui/main.js']) t.is((await get(t, path, { options: { ui: false } })).status, 404)
})

test('below a root path, the page says what its paths are relative to', async t => {
  const page = await (await get(t, '/llm', { options: { rootPath: '/llm' } })).text()
  t.true(page.includes('<base href="/llm/">'))
  const odd = await (await get(t, '/', { options: { rootPath: '/a"><b>$&' } })).text()
  t.true(odd.includes('<base href="/a&quot;>&lt;b>$&amp;/">'))
  t.false((await (await get(t, '/')).text()).includes('<base'))
})
