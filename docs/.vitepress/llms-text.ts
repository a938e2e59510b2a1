// The guides as text for language models, in the form of llmstxt.org: llms.txt names them with what each is about,
// llms-full.txt is all of them in one file, and each lies beside its page as Markdown.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { GuideGroup } from './guides.js'

export interface LlmsText {
  readonly title: string
  readonly description: string
  readonly groups: readonly GuideGroup[]
  /** The folder of the pages. */
  readonly from: string
  /** The folder of the built site. */
  readonly to: string
  /** What the site's addresses begin with, such as `/` or `/quire/`. */
  readonly base: string
}

/** The first sentence of a page: its first paragraph up to a full stop, without marks and on one line. */
export function firstSentence(page: string): string {
  const paragraph = page
    .replace(/^---\n[\s\S]*?\n---\n/, '')
    .split(/\n\s*\n/)
    .find(part => /^(?!```)[A-Za-z`*]/.test(part))
  const line = (paragraph ?? '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
  return /^.*?[.:](?= |$)/.exec(line)?.[0].replace(/:$/, '.') ?? line
}

export async function writeLlmsText({ title, description, groups, from, to, base }: LlmsText): Promise<void> {
  const index = [`# ${title}`, `> ${description}`]
  const full = [`# ${title}`, `> ${description}`]
  for (const { text, pages } of groups) {
    const lines: string[] = []
    for (const [name, label] of Object.entries(pages)) {
      const page = await readFile(join(from, `${name}.md`), 'utf8')
      lines.push(`- [${label}](${base}${name}.md): ${firstSentence(page)}`)
      full.push(`<!-- ${base}${name}.md -->\n\n${page.trim()}`)
      const path = join(to, `${name}.md`)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, page)
    }
    index.push(`## ${text}`, lines.join('\n'))
  }
  index.push('## Optional', `- [API reference](${base}api/): every export with its types`)
  await writeFile(join(to, 'llms.txt'), `${index.join('\n\n')}\n`)
  await writeFile(join(to, 'llms-full.txt'), `${full.join('\n\n')}\n`)
}
