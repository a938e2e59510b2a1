// What runs on web pages reaches nothing that only Node has, through whatever it imports.

import { existsSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Rule, SourceFile } from '../rule.js'
import { codeOf } from '../source-text.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Files that pages or Workers begin with, and every other of web/. */
export const webGraph: Rule = {
  name: 'nothing that web/ imports, or that imports, is of Node',
  applies: path => /^ts\/src\/(?:web\/.*|(?:plugin|server)\/portable)\.ts$/.test(path),
  violations: file => {
    const seen = new Set<string>()
    const found: string[] = []
    const visit = ({ path, text }: SourceFile): void => {
      if (seen.has(path)) return
      seen.add(path)
      for (const name of valueImportsOf(text)) {
        if (name.startsWith('node:')) found.push(path === file.path ? `imports ${name}` : `reaches ${name} in ${path}`)
        const target = posix.join(posix.dirname(path), name.replace(/\.js$/, '.ts'))
        if (name.startsWith('.') && existsSync(root + target))
          visit({ path: target, text: readFileSync(root + target, 'utf8') })
      }
    }
    visit(file)
    return found
  },
  caught: [
    source('web/x.ts', "import { join } from 'node:path'"),
    source('web/x.ts', "import { Engine } from '../engine/node-engine.js'"),
    source('web/x.ts', "export { type Native, loadNative } from '../binding/node.js'"),
    source('web/x.ts', "const hub = await import('../hub/index.js')"),
  ],
  passes: [
    source('web/x.ts', "import type { Server } from 'node:http'\nimport { type Stats, type Path } from 'node:fs'"),
    source('web/x.ts', "import { Engine } from '../engine/engine.js' // not 'node:path'"),
  ],
}

function source(path: string, text: string): SourceFile {
  return { path: `ts/src/${path}`, text }
}

/** Modules of which something is there at run time. */
function valueImportsOf(text: string): readonly string[] {
  const pattern =
    /\b(?:import|export)\s+(?!type\b)(?:(\{[^}]*\}|\*(?:\s+as\s+\w+)?|\w+)\s+from\s+)?(['"])([^'"\n]+)\2|\bimport\s*\(\s*(['"])([^'"\n]+)\4/g
  return [...codeOf(text, 'keep').matchAll(pattern)].flatMap(([, clause, , named, , dynamic]) => {
    const parts = clause?.startsWith('{') ? clause.slice(1, -1).split(',') : undefined
    const isTypes = parts?.every(part => part.trim() === '' || /^type\s/.test(part.trim())) ?? false
    return isTypes ? [] : [(named ?? dynamic) as string]
  })
}
