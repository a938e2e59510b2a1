// The documentation site: the guides of docs/, and the API reference that api-reference.mjs writes to docs/api before.

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type DefaultTheme, defineConfig } from 'vitepress'
import { githubSlug } from './github-slug.js'
import { guideGroups } from './guides.js'
import { writeLlmsText } from './llms-text.js'
import { repositoryLinks, repositoryUrl } from './repository-links.js'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const json = (relative: string) => JSON.parse(readFileSync(path(relative), 'utf8'))

const url = repositoryUrl(json('../../ts/package.json'), process.env)
const title = 'Quire'
const description =
  'LLM inference and serving for TypeScript: continuous batching over a paged KV cache, in your process.'
/** Where the site lies below its host. */
const base = process.env.QUIRE_DOCS_BASE ?? '/'
const apiSidebar = '../api/typedoc-sidebar.json'
/** Without it the guides alone are built, which is faster. */
const hasApi = process.env.QUIRE_DOCS_API !== 'none' && existsSync(path(apiSidebar))

const guides: DefaultTheme.SidebarItem[] = guideGroups.map(({ text, pages }) => ({
  text,
  items: Object.entries(pages).map(([page, title]) => ({ text: title, link: `/${page}` })),
}))

export default defineConfig({
  title,
  description,
  lang: 'en',
  base,
  cleanUrls: true,
  srcExclude: hasApi ? [] : ['api/**'],
  ignoreDeadLinks: hasApi ? false : [/^\/api\//],
  markdown: { anchor: { slugify: githubSlug }, config: md => repositoryLinks(md, url) },
  themeConfig: {
    nav: [
      { text: 'Guides', link: '/start', activeMatch: '^/(?!api/).' },
      { text: 'API reference', link: '/api/', activeMatch: '^/api/' },
    ],
    sidebar: {
      '/': [...guides, { text: 'API reference', link: '/api/' }],
      '/api/': hasApi ? json(apiSidebar) : [],
    },
    outline: [2, 3],
    search: { provider: 'local' },
    ...(url !== undefined && { socialLinks: [{ icon: 'github', link: url }] }),
  },
  vite: { build: { chunkSizeWarningLimit: 4096 } },
  buildEnd: ({ outDir, srcDir }) =>
    writeLlmsText({ title, description, groups: guideGroups, from: srcDir, to: outDir, base }),
})
