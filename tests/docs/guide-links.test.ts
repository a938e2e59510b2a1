// No page of docs/ and no other Markdown of the repository links to a file or heading that is not there, the site's sidebar has
// each page of docs/, and what it says to language models is in it. Addresses on the web are not asked.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { githubSlug } from '../../docs/.vitepress/github-slug.js'
import { guideGroups } from '../../docs/.vitepress/guides.js'
import { firstSentence, writeLlmsText } from '../../docs/.vitepress/llms-text.js'
import { outsideOfDocs, repositoryUrl } from '../../docs/.vitepress/repository-links.js'
import { repositoryFiles } from '../architecture/repository-files.js'
import { guidePages, root, TESTED_ELSEWHERE } from './guide-blocks.js'

const pages = repositoryFiles()
  .map(({ path }) => path)
  .filter(path => path.endsWith('.md') && !path.includes('/fixtures/plugin') && !path.includes('/assets/'))

const textOf = (path: string): string => readFileSync(join(root, path), 'utf8')

/** A page without what is code. */
const proseOf = (text: string): string => text.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, 'x')

function headingsOf(text: string): ReadonlySet<string> {
  const seen = new Map<string, number>()
  const slugs = [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => {
    const slug = githubSlug(title.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'))
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
  return new Set(slugs)
}

/** Why a link of a page leads nowhere; undefined if it does not. */
function deadLink(page: string, target: string): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(target)) return undefined
  const [file = '', fragment] = target.split('#')
  const path = file === '' ? page : join(dirname(page), decodeURI(file))
  if (!existsSync(join(root, path))) return `${page}: ${target}: no such file`
  if (fragment === undefined || !path.endsWith('.md')) return undefined
  return headingsOf(textOf(path)).has(fragment) ? undefined : `${page}: ${target}: no such heading`
}

test('links lead somewhere', t => {
  const links = pages.flatMap(page =>
    [...proseOf(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({ page, target })),
  )
  t.true(links.length > 100)
  t.deepEqual(
    links.flatMap(({ page, target }) => deadLink(page, target) ?? []),
    [],
  )
})

test('a link that leads nowhere is seen', t => {
  t.regex(deadLink('docs/serve.md', 'nowhere.md') ?? '', /no such file/)
  t.regex(deadLink('docs/serve.md', '#nothing') ?? '', /no such heading/)
  t.regex(deadLink('README.md', 'docs/serve.md#nothing') ?? '', /no such heading/)
  t.is(deadLink('README.md', 'docs/serve.md#from-vllms-flags'), undefined)
})

test('the sidebar has each page of docs/ once, and no other', t => {
  const listed = guideGroups.flatMap(({ pages: names }) => Object.keys(names).map(name => `${name}.md`))
  t.deepEqual(
    [...listed].sort(),
    guidePages.filter(page => page !== 'index.md'),
  )
})

test('tests that run the snippets of a page are there', t => {
  for (const [page, path] of Object.entries(TESTED_ELSEWHERE)) {
    t.true(guidePages.includes(page), page)
    t.true(existsSync(join(root, path)), path)
  }
})

test('links out of docs/ go to the repository, where its address is known', t => {
  t.is(outsideOfDocs('../README.md#what-works'), 'README.md#what-works')
  t.is(outsideOfDocs('../examples/monitoring/README.md'), 'examples/monitoring/README.md')
  for (const href of ['serve.md', '#here', 'https://example.org', '/api/']) t.is(outsideOfDocs(href), undefined)
  const url = 'https://example.org/a/b'
  t.is(repositoryUrl({ repository: { url: `git+${url}.git` } }, {}), url)
  t.is(repositoryUrl({}, { GITHUB_SERVER_URL: 'https://example.org', GITHUB_REPOSITORY: 'a/b' }), url)
  t.is(repositoryUrl({}, {}), undefined)
})

test('llms.txt names every guide with what it is about, and llms-full.txt has them whole', async t => {
  const to = mkdtempSync(join(tmpdir(), 'quire-llms-'))
  t.teardown(() => rmSync(to, { recursive: true, force: true }))
  const from = join(root, 'docs')
  await writeLlmsText({ title: 'Quire', description: 'An engine.', groups: guideGroups, from, to, base: '/quire/' })
  const index = readFileSync(join(to, 'llms.txt'), 'utf8')
  const full = readFileSync(join(to, 'llms-full.txt'), 'utf8')
  t.regex(index, /^# Quire\n\n> An engine\.\n\n## /)
  for (const page of guidePages.filter(name => name !== 'index.md')) {
    const line = index.split('\n').find(each => each.includes(`(/quire/${page})`)) ?? ''
    t.regex(line, /^- \[[^\]]+\]\([^)]+\): .{20,}[.]$/, page)
    t.true(full.includes(textOf(`docs/${page}`).trim()), page)
    t.is(readFileSync(join(to, page), 'utf8'), textOf(`docs/${page}`))
  }
})

test('the first sentence of a page', t => {
  t.is(firstSentence('# A\n\nOne, [two](b.md).\nThree.\n'), 'One, two.')
  t.is(firstSentence('---\nlayout: home\n---\n\n# A\n\n    code\n\nThis is\nit: all of it.\n'), 'This is it.')
  t.is(firstSentence('# A\n\nv1.2 is here\n'), 'v1.2 is here')
})
