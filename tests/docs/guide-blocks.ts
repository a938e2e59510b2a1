// What can be copied out of a page of docs/: its fenced blocks with their names, and its tables.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../', import.meta.url))

/** Pages whose snippets another test runs. */
export const TESTED_ELSEWHERE: Readonly<Record<string, string>> = {
  'deno-and-bun.md': 'tests/runtimes/runtimes.test.ts',
  'electron.md': 'tests/electron/app.test.ts',
  'serve.md': 'tests/docs/serve-snippets.test.ts',
  'logits-processors.md': 'tests/docs/logits-processors.test.ts',
  'write-a-plugin.md': 'tests/example/guide.test.ts',
}

export interface Block {
  readonly language: string
  /** The file that it would be, or what it is of. */
  readonly name: string
  readonly text: string
}

/** A block of a page of docs/. */
export interface PageBlock extends Block {
  readonly page: string
}

/** All pages of docs/ by file name. */
export const guidePages: readonly string[] = readdirSync(join(root, 'docs'))
  .filter(name => name.endsWith('.md'))
  .sort()

export function readGuide(name: string): string {
  return readFileSync(join(root, 'docs', name), 'utf8')
}

export function blocksOf(guide: string): readonly Block[] {
  return [...guide.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(
    ([, language = '', name = '', text = '']) => ({
      language,
      name,
      text,
    }),
  )
}

/** Blocks of all pages that no other test runs. */
export const siteBlocks: readonly PageBlock[] = guidePages
  .filter(page => !Object.hasOwn(TESTED_ELSEWHERE, page))
  .flatMap(page => blocksOf(readGuide(page)).map(block => ({ page, ...block })))

export function sectionOf(guide: string, heading: string): string {
  return guide.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
}

/** Rows of the table under a heading: cells without their padding. */
export function tableUnder(guide: string, heading: string): readonly (readonly string[])[] {
  const lines = sectionOf(guide, heading)
    .split('\n')
    .filter(line => line.startsWith('|'))
  return lines.slice(2).map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

/** What stands in backticks. */
export function quoted(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(match => match[1] as string)
}
