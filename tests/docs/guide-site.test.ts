// The site is built of the guides: VitePress finds no dead link, every page is there, and whatever links to a heading finds it.
// The API reference is whole: every export has its comment, and every link in one leads somewhere.

import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { guidePages, root } from './guide-blocks.js'

const run = promisify(execFile)

test('the site is built, and links to headings find them', async t => {
  const site = await mkdtemp(join(tmpdir(), 'quire-site-'))
  t.teardown(() => rm(site, { recursive: true, force: true }))
  const vitepress = join(root, 'node_modules/vitepress/bin/vitepress.js')
  const env = { ...process.env, QUIRE_DOCS_API: 'none', QUIRE_DOCS_BASE: '/quire/' }
  await run(process.execPath, [vitepress, 'build', join(root, 'docs'), '--outDir', site], { env })
  const names = (await readdir(site)).filter(name => name.endsWith('.html') && name !== '404.html')
  t.deepEqual(names.sort(), guidePages.map(page => page.replace(/md$/, 'html')).sort())
  const pages = new Map<string, string>()
  for (const name of names) pages.set(name.replace(/\.html$/, ''), await readFile(join(site, name), 'utf8'))
  const dead: string[] = []
  let numLinks = 0
  for (const [page, html] of pages) {
    for (const [, path = '', fragment = ''] of html.matchAll(/href="(?:\/quire\/([\w-]+))?#([^"]+)"/g)) {
      numLinks += 1
      const target = pages.get(path === '' ? page : path)
      if (!target?.includes(`id="${decodeURIComponent(fragment)}"`)) dead.push(`${page}: ${path}#${fragment}`)
    }
  }
  t.true(numLinks > 50)
  t.deepEqual(dead, [])
  t.regex(await readFile(join(site, 'llms.txt'), 'utf8'), /\(\/quire\/start\.md\)/)
})

test('every export has a comment, and links in comments lead somewhere', async t => {
  const module = new URL('../../docs/.vitepress/api-reference.mjs', import.meta.url).href
  const script = `import { makeApiReference } from ${JSON.stringify(module)}
console.log(JSON.stringify(await makeApiReference(null)))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { maxBuffer: 1 << 26 })
  t.deepEqual(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''), [])
})
