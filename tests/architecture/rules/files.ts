// How files are named, how long they are and how they open.

import type { Rule, SourceFile } from '../rule.js'
import { codeOf, findings } from '../source-text.js'

const SOURCE = /\.(rs|ts|mjs|js|py)$/

/** Files that may be longer than LINE_LIMIT, each with the reason. */
const LONG_FILES: Readonly<Record<string, string>> = {}

const LINE_LIMIT = 600

const VAGUE = /(?:^|[-_.])(?:utils?|commons?|helpers?|misc|base|impl|v2|managers?)(?:[-_.]|$)/

export const fileNames: Rule = {
  name: 'no file or folder has a name that says nothing',
  applies: path => SOURCE.test(path),
  violations: ({ path }) =>
    path
      .split('/')
      .filter(part => VAGUE.test(part) && !/^kv[_-]cache[_-]manager\./.test(part))
      .map(part => `${part} says nothing`),
  caught: [
    { path: 'ts/src/utils.ts', text: '' },
    { path: 'crates/core/src/common/mod.rs', text: '' },
    { path: 'crates/core/src/block_manager.rs', text: '' },
    { path: 'ts/src/engine/engine-v2.ts', text: '' },
    { path: 'ts/src/path-helpers.ts', text: '' },
    { path: 'tests/base.py', text: '' },
  ],
  passes: [
    { path: 'crates/core/src/kv_cache_manager.rs', text: '' },
    { path: 'ts/src/database.ts', text: '' },
    { path: 'crates/text/src/tokenizer.rs', text: '' },
  ],
}

export const fileSizes: Rule = {
  name: `no source file is longer than ${LINE_LIMIT} lines without a reason`,
  applies: path => SOURCE.test(path) && LONG_FILES[path] === undefined,
  violations: ({ text }) => {
    const lines = text.trimEnd().split('\n').length
    return lines > LINE_LIMIT ? [`${lines} lines`] : []
  },
  caught: [{ path: 'ts/src/engine/engine.ts', text: 'x\n'.repeat(LINE_LIMIT + 1) }],
  passes: [{ path: 'ts/src/engine/engine.ts', text: 'x\n'.repeat(LINE_LIMIT) }],
}

/** What is left of a list when everything that lists is taken away. */
function unlisted(path: string, text: string): string {
  const code = codeOf(text, 'keep')
  if (path.endsWith('.rs'))
    return code
      .replace(/#!?\[[\s\S]*?\]\s*$/gm, '')
      .replace(/^(?:pub(?:\([\w ]+\))? )?(?:mod|use) [^;{]*(?:\{[^;]*\})?;/gm, '')
  return code
    .replace(/^(?:import|export) (?:type )?(?:\*(?: as \w+)?|\{[^}]*\}) from '[^']*';?$/gm, '')
    .replace(/^export (?:type )?\{[^}]*\};?$/gm, '')
}

export const listsOnly: Rule = {
  name: 'mod.rs and index.ts only list',
  applies: path => /^(crates\/[^/]+\/src|ts\/src|plugins\/[^/]+\/src)\/(.*\/)?(mod\.rs|index\.ts)$/.test(path),
  violations: ({ path, text }) => {
    const rest = unlisted(path, text).trim()
    return rest === '' ? [] : [`more than a list: ${rest.slice(0, 60)}`]
  },
  caught: [
    { path: 'crates/core/src/scheduler/mod.rs', text: '//! a\nmod b;\npub struct Scheduler;' },
    { path: 'ts/src/plugin/index.ts', text: "// a\nexport * from './a.js'\nexport const b = 1" },
  ],
  passes: [
    {
      path: 'crates/models/src/arch/mod.rs',
      text: '//! a\n#[cfg(test)]\nmod b;\npub(crate) mod c;\npub use c::{\n    D,\n    E,\n};\n',
    },
    { path: 'ts/src/plugin/index.ts', text: "// a\nexport * from './a.js'\nexport type { B } from './b.js'\n" },
  ],
}

export const openings: Rule = {
  name: 'every source opens with what it is for',
  applies: path => SOURCE.test(path),
  violations: ({ path, text }) => {
    const lines = text.split('\n').filter((line, index) => index > 0 || !line.startsWith('#!/'))
    const opening = lines[0] ?? ''
    const expected = path.endsWith('.rs') ? /^\/\/! \S/ : path.endsWith('.py') ? /^"""\S/ : /^(\/\/|\/\*\*?) \S/
    return expected.test(opening) ? [] : [`opens with: ${opening.slice(0, 60)}`]
  },
  caught: [
    { path: 'crates/core/src/block.rs', text: '// A block.\npub struct Block;' },
    { path: 'ts/src/llm.ts', text: "import { x } from './x.js'" },
    { path: 'tests/make.py', text: 'import json' },
    { path: 'ts/src/empty.ts', text: '' },
  ],
  passes: [
    { path: 'crates/core/src/block.rs', text: '//! One block.\npub struct Block;' },
    { path: 'ts/bin/quire.js', text: '#!/usr/bin/env node\n// The command.\n' },
    { path: 'tests/make.py', text: '#!/usr/bin/env python3\n"""Makes it."""' },
  ],
}

export const machinePaths: Rule = {
  name: "no text names a machine's own folders",
  applies: path => !/^(package-lock\.json|Cargo\.lock)$|(^|\/)fixtures\/|^ts\/assets\/tiny-model\//.test(path),
  violations: ({ text }) => findings(text, /(?<![\w.~*])\/(?:work|root|home|tmp|farm)\/[\w.]+/g, match => match[0]),
  caught: ['work', 'root', 'home', 'tmp'].map(folder => sample(`see ${['', folder, 'model'].join('/')}`)),
  passes: [sample('tests/tmp/file, ~/work/quire and ./home/page'), sample('https://example.org/home/page')],
}

function sample(text: string): SourceFile {
  return { path: 'README.md', text }
}
