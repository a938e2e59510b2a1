// Which part of ts/src may import which. Arrows point down; the table is the picture of ARCHITECTURE.md, in words.

import { posix } from 'node:path'
import type { Rule, SourceFile } from '../rule.js'
import { codeOf, importsOf } from '../source-text.js'

const T1 = ['config', 'errors.ts']
const T2 = [...T1, 'plugin', 'binding']
const T3 = [...T2, 'executor']
const T4 = [...T3, 'engine']
const T5 = [...T4, 'hub', 'llm.ts', 'node-llm.ts', 'prompt.ts', 'progress-bar.ts', 'index.ts']

/** What each part may import beside itself. A file of ts/src is a part of its own, a folder is one. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  config: ['errors.ts'],
  plugin: T1,
  // The door fills an InputBatch, whose layout belongs to the plugin contract.
  binding: [...T1, 'plugin'],
  executor: T2,
  // Models by name: files and sockets, no model runs here.
  hub: T1,
  engine: [...T3, 'hub'],
  'prompt.ts': T4,
  'progress-bar.ts': [...T4, 'hub'],
  'llm.ts': [...T4, 'prompt.ts'],
  'node-llm.ts': [...T4, 'llm.ts', 'progress-bar.ts'],
  'index.ts': [...T4, 'hub', 'llm.ts', 'node-llm.ts', 'prompt.ts', 'progress-bar.ts'],
  server: [...T5],
  // Drives an engine or any OpenAI server; knows no server of ours.
  bench: [...T5],
  cli: [...T5, 'server', 'bench'],
  // Conformance allocates KV caches by the executor's own code.
  testing: [...T3],
  web: [...T5],
}

/** The native module's declarations, and the WebAssembly module in both of its builds. */
const DOORS = ['../native/native.js', '../wasm/simd/quire.js', '../wasm/relaxed/quire.js', '../wasm/threads/quire.js']

export const typescriptLayers: Rule = {
  name: 'a part of ts/src imports only parts below it',
  applies: path => path.startsWith('ts/src/') && path.endsWith('.ts'),
  violations: ({ path, text }) => {
    const part = partOf(path)
    const allowed = MAY_IMPORT[part]
    if (allowed === undefined) return [`${part} has no place in the layers`]
    return importsOf(text).flatMap(name => {
      if (!name.startsWith('.')) return []
      const target = posix.relative('ts/src', posix.join(posix.dirname(path), name))
      if (DOORS.includes(target)) return part === 'binding' ? [] : ['only binding/ opens the native door']
      if (target.startsWith('..')) return [`${name} is outside of ts/src`]
      const imported = partOf(`ts/src/${target.replace(/\.js$/, '.ts')}`)
      return imported === part || allowed.includes(imported) ? [] : [`${part} may not import ${imported}`]
    })
  },
  caught: [
    source('config/engine-config.ts', "import { Engine } from '../engine/index.js'"),
    source('errors.ts', "export * from './config/index.js'"),
    source('plugin/registry.ts', "import { core } from '../binding/core.js'"),
    source('engine/engine.ts', "import type { LLM } from '../llm.js'"),
    source('engine/engine.ts', "const module = await import('../cli/main.js')"),
    source('engine/engine.ts', "import { EngineCore } from '../../native/native.js'"),
    source('llm.ts', "import { x } from '../../plugins/candle-cpu/src/plugin.js'"),
    source('shed/tool.ts', ''),
  ],
  passes: [
    source('executor/worker.ts', "import type { Device } from '../plugin/device.js'\nimport { x } from './y.js'"),
    source('binding/core.ts', "import { EngineCore } from '../../native/native.js'"),
    source('config/check.ts', "import { readFile } from 'node:fs/promises'\n// from '../engine/index.js'"),
  ],
}

function source(path: string, text: string): SourceFile {
  return { path: `ts/src/${path}`, text }
}

function partOf(path: string): string {
  return path.split('/')[2] as string
}

/** The classes and functions of napi arrive through binding/ only, and configuration arrives in slices. */
export const configInSlices: Rule = {
  name: 'no module below the engine receives the whole configuration, only its slice',
  applies: path => /^ts\/src\/(plugin|binding|executor)\//.test(path),
  violations: ({ text }) =>
    [...codeOf(text, 'blank').matchAll(/\b(EngineConfig|EngineOptions)\b/g)].map(match => `${match[1]} is the whole`),
  caught: [
    source('executor/worker.ts', 'export function start(config: EngineConfig) {}'),
    source('plugin/selection.ts', "import type { EngineOptions } from '../config/index.js'"),
  ],
  passes: [source('executor/executor.ts', 'constructor(cache: CacheConfig) {} // a slice of EngineConfig')],
}
