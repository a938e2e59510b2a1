// A plugin implements the contract and knows nothing else of the engine, nor of another plugin.

import { posix } from 'node:path'
import type { Rule, SourceFile } from '../rule.js'
import { codeOf, findings, importsOf } from '../source-text.js'

const CONTRACT = 'quire-llm/plugin'

/** A library that plugins are made of, no plugin. */
const LIBRARY = '@quire-llm/python-worker'

/** Packages that bring Quire to another library: no frameworks, above the engine rather than below it. */
const BINDING = /^plugins\/(?:ai-sdk|langchain)\//

/** What programs may import. */
const PUBLIC_API = ['quire-llm', 'quire-llm/server']

export const pluginImports: Rule = {
  name: `a plugin imports ${CONTRACT}, its own files and its own dependencies`,
  applies: path => isPluginSource(path) && !BINDING.test(path),
  violations: ({ path, text }) =>
    importsOf(text).flatMap(name => {
      const folder = path.split('/').slice(0, 2).join('/')
      if (name.startsWith('.')) {
        const target = posix.join(posix.dirname(path), name)
        return target.startsWith(`${folder}/`) ? [] : [`${name} is outside of ${folder}`]
      }
      if (name === CONTRACT || name === LIBRARY || name.startsWith('node:')) return []
      // Its own native code, of a platform.
      if (new RegExp(`^@quire-llm/${posix.basename(folder)}-(?:linux|darwin|win32)-`).test(name)) return []
      return /^(quire-llm|@quire-llm)(\/|$)/.test(name) ? [`${name} is not the contract`] : []
    }),
  caught: [
    plugin("import { LLM } from 'quire-llm'"),
    plugin("import { Engine } from 'quire-llm/dist/engine/index.js'"),
    plugin("import '@quire-llm/torch/register'"),
    plugin("import { x } from '../../torch/src/plugin.js'"),
    plugin("const engine = await import('../../../ts/src/engine/index.js')"),
  ],
  passes: [
    plugin("import type { ModelRunner } from 'quire-llm/plugin'\nimport { addon } from '../native/native.js'"),
    plugin("import { readFile } from 'node:fs/promises'"),
    plugin("import { definePythonPlugin } from '@quire-llm/python-worker'"),
  ],
}

export const bindingImports: Rule = {
  name: `a binding imports ${PUBLIC_API.join(', ')}, its own files and its own dependencies`,
  applies: path => isPluginSource(path) && BINDING.test(path),
  violations: ({ text }) =>
    importsOf(text).flatMap(name => {
      if (name.startsWith('./')) return []
      if (name.startsWith('.')) return [`${name} is outside of its sources`]
      return PUBLIC_API.includes(name) || !/^(quire-llm|@quire-llm)(\/|$)/.test(name) ? [] : [`${name} is not for it`]
    }),
  caught: [
    binding("import { Engine } from 'quire-llm/dist/engine/index.js'"),
    binding("import { framework } from 'quire-llm/plugin'"),
    binding("import { plugin } from '@quire-llm/torch'"),
    binding("import { Chat } from '../../../ts/src/server/index.js'"),
  ],
  passes: [
    binding("import { Engine } from 'quire-llm'\nimport { Chat } from 'quire-llm/server'"),
    binding("import { NoSuchModelError } from '@ai-sdk/provider'\nimport { x } from './x.js'"),
  ],
}

export const pluginsPatchNothing: Rule = {
  name: 'a plugin patches nothing',
  applies: isPluginSource,
  violations: ({ text }) =>
    findings(
      codeOf(text, 'blank'),
      /\b(?:globalThis|global|process)(?:\.\w+|\[[^\]]*\])\s*=(?!=)|\.prototype\.?\S*\s*=(?!=)|\bObject\.(?:assign|definePropert(?:y|ies))\s*\(\s*(?:globalThis|\w+\.prototype)/g,
      match => match[0],
    ),
  caught: [
    plugin('globalThis.fetch = mine'),
    plugin('Array.prototype.at = mine'),
    plugin("Object.defineProperty(globalThis, 'fetch', {})"),
  ],
  passes: [plugin('if (process.platform === "linux") this.value = globalThis.performance.now()')],
}

export const pluginDependencies: Rule = {
  name: 'a plugin package depends on no other plugin, and on the engine as its peer',
  applies: path => /^plugins\/[^/]+\/package\.json$/.test(path),
  violations: ({ text }) => {
    const manifest = JSON.parse(text) as Record<string, Record<string, string> | undefined>
    const wrong = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).filter(isOurs)
    const peers = Object.keys(manifest.peerDependencies ?? {}).filter(name => isOurs(name) && name !== 'quire-llm')
    return [...wrong, ...peers].map(name => `depends on ${name}`)
  },
  caught: [
    manifest({ dependencies: { 'quire-llm': '1' } }),
    manifest({ peerDependencies: { '@quire-llm/torch': '1' } }),
    manifest({ dependencies: { '@quire-llm/torch': '1' } }),
  ],
  passes: [
    manifest({ peerDependencies: { 'quire-llm': '1' } }),
    manifest({ dependencies: { '@quire-llm/python-worker': '1' } }),
    manifest({ optionalDependencies: { '@quire-llm/candle-cpu-native-linux-x64-gnu': '1' } }),
  ],
}

function isPluginSource(path: string): boolean {
  return /^plugins\/[^/]+\/src\/.*\.[mc]?[jt]s$/.test(path)
}

/** Our packages, but for the library and the native binaries, which are named `-native-<platform>`. */
function isOurs(name: string): boolean {
  if (name === LIBRARY || name.includes('-native-')) return false
  return name === 'quire-llm' || name.startsWith('@quire-llm/')
}

function binding(text: string): SourceFile {
  return { path: 'plugins/ai-sdk/src/provider.ts', text }
}

function plugin(text: string): SourceFile {
  return { path: 'plugins/candle-cpu/src/plugin.ts', text }
}

function manifest(content: object): SourceFile {
  return { path: 'plugins/candle-cpu/package.json', text: JSON.stringify(content) }
}
