// What can be copied out of a page of docs/: its fenced blocks with their names, and its tables.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Block {
  readonly language: string
  /** The file that it would be, or what it is of. */
  readonly name: string
  readonly text: string
}

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
