// Which crate may depend on which: the arrows of ARCHITECTURE.md, pointing down only.

import type { Rule, SourceFile } from '../rule.js'

/** Allowed edges between our crates. `testing` may be a dev-dependency of any of them. */
const EDGES: Readonly<Record<string, readonly string[]>> = {
  core: [],
  blocks: [],
  gguf: ['blocks'],
  kernels: ['blocks'],
  weights: ['blocks', 'gguf'],
  text: ['gguf'],
  sampler: ['core', 'kernels'],
  models: ['blocks', 'gguf', 'kernels', 'weights'],
  runner: ['core', 'sampler', 'models', 'blocks', 'kernels', 'weights'],
  node: ['core', 'sampler', 'gguf', 'text'],
  'candle-node': ['core', 'runner'],
  wasm: ['core', 'sampler', 'gguf', 'text', 'runner', 'wasm-macros'],
  'wasm-macros': [],
  testing: ['core', 'sampler', 'blocks', 'gguf', 'weights'],
  xtask: [],
}

export const crateEdges: Rule = {
  name: 'a crate depends only on the crates that the table of edges allows',
  applies: path => /^crates\/[^/]+\/Cargo\.toml$/.test(path),
  violations: ({ path, text }) => {
    const crate = path.split('/')[1] as string
    const allowed = EDGES[crate]
    if (allowed === undefined) return [`${crate} is not in the table of crates`]
    return dependenciesOf(text).flatMap(({ name, section }) => {
      const ofTests = section === 'dev-dependencies'
      if (allowed.includes(name) || (ofTests && name === 'testing')) return []
      return [`${section}: ${crate} may not depend on ${name}`]
    })
  },
  caught: [
    manifest('models', '[dependencies]\nquire-core.workspace = true'),
    manifest('core', '[dev-dependencies]\nquire-sampler = { path = "../sampler" }'),
    manifest('core', '[dependencies.quire-kernels]\nworkspace = true'),
    manifest('core', "[target.'cfg(unix)'.dependencies]\nquire-kernels.workspace = true"),
    manifest('core', '[dependencies]\nother = { package = "quire-weights", path = "../weights" }'),
    manifest('helper', ''),
  ],
  passes: [
    manifest('sampler', '[dependencies]\nquire-core.workspace = true\nserde = "1"'),
    manifest('text', '[package]\nname = "quire-text"\n[dev-dependencies]\nquire-testing.workspace = true'),
  ],
}

function manifest(crate: string, text: string): SourceFile {
  return { path: `crates/${crate}/Cargo.toml`, text }
}

/** Our crates in a manifest's dependency tables, by the name behind `quire-`. */
function dependenciesOf(text: string): readonly { name: string; section: string }[] {
  const found: { name: string; section: string }[] = []
  let section = ''
  for (const line of text.split('\n')) {
    const table = /^\[(?:target\..+\.)?((?:dev-|build-)?dependencies)(?:\.(?:quire-)([\w-]+))?\]/.exec(line)
    if (table !== null) {
      section = table[1] as string
      if (table[2] !== undefined) found.push({ name: table[2], section })
    } else if (line.startsWith('[')) section = ''
    const name = /^quire-([\w-]+)/.exec(line)?.[1] ?? /\bpackage = "quire-([\w-]+)"/.exec(line)?.[1]
    if (section !== '' && name !== undefined) found.push({ name, section })
  }
  return found
}
