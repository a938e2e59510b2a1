// The files that git knows or would add: what the rules are held against.

import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { SourceFile } from './rule.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Too big to be a source: weights and the like. */
const LARGEST_BYTES = 1_000_000

/** Every text file of the repository, without those that git ignores. */
export function repositoryFiles(): readonly SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  const paths = [...new Set(listed.toString().split('\0'))].filter(path => path !== '')
  return paths.flatMap(path => {
    const size = statSync(root + path, { throwIfNoEntry: false })?.size
    if (size === undefined || size > LARGEST_BYTES) return []
    const text = readFileSync(root + path, 'utf8')
    return text.includes('\0') ? [] : [{ path, text }]
  })
}
