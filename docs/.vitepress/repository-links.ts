// Pages of docs/ link to other files of the repository by relative paths. On the site such a link goes to the repository's
// address where that is known, and is plain text where it is not.

import { posix } from 'node:path'
import type { MarkdownRenderer } from 'vitepress'

/** The address of a repository from what package.json or GitHub Actions say. */
export function repositoryUrl(
  manifest: { readonly repository?: string | { readonly url?: string } },
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const { repository } = manifest
  const url = typeof repository === 'string' ? repository : repository?.url
  if (url !== undefined) return url.replace(/^git\+/, '').replace(/\.git$/, '')
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = env
  return server && name ? `${server}/${name}` : undefined
}

/** The path from the top of the repository, if a link of a page in docs/ leaves docs/. */
export function outsideOfDocs(href: string, pageFolder = ''): string | undefined {
  if (/^[a-z][a-z+.-]*:|^[/#]/i.test(href)) return undefined
  const path = posix.join('docs', pageFolder, href)
  return path.startsWith('docs/') ? undefined : path
}

export function repositoryLinks(md: MarkdownRenderer, url: string | undefined): void {
  md.core.ruler.push('repository-links', state => {
    for (const { children } of state.tokens) {
      const closings: (string | undefined)[] = []
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const path = outsideOfDocs(token.attrGet('href') ?? '')
          closings.push(path !== undefined && url === undefined ? '' : undefined)
          if (path === undefined) continue
          if (url !== undefined) token.attrSet('href', `${url}/blob/main/${path}`)
          else Object.assign(token, { type: 'text', tag: '', content: '', nesting: 0 })
        } else if (token.type === 'link_close' && closings.pop() === '') {
          Object.assign(token, { type: 'text', tag: '', content: '', nesting: 0 })
        }
      }
    }
  })
}
