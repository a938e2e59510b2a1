// Small packages that an app may have installed: plugins of several kinds, and one that brings others along.

/** Files of a package by path; `package.json` as an object. */
export type PackageFiles = Readonly<Record<string, string | object>>

const version = '1.0.0'
const peerDependencies = { 'quire-llm': '*' }

/** A plugin's object, in JavaScript. It tells by EXECUTED that its code has run. */
const pluginObject = (name: string, priority: number) => `{
  specVersion: 1,
  name: '${name}',
  priority: ${priority},
  probe: async () => ({ available: true, devices: [{ kind: 'cpu', index: 0 }] }),
  open: async () => ({ framework: new Shapes(), createRunner: async () => { throw new Error('no models') }, close: async () => {} }),
}`

/** A framework whose tensors are shapes. */
const shapes = (name: string) => `
class Shapes {
  name = '${name}'
  half = { name: 'float16', itemSize: 2 }
  #device = { kind: 'cpu', index: 0 }
  currentDevice() { return this.#device }
  setDevice(device) { this.#device = device }
  zeros(shape, { dtype, device }) { return { shape, strides: contiguousStrides(shape), offset: 0, dtype, device } }
}
`

const tellsThatItRan = (name: string) =>
  `if (process.env.EXECUTED) require('node:fs').appendFileSync(process.env.EXECUTED, '${name} ')\n`

const esmRequire = "import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)\n"

export const pluginPackages: Readonly<Record<string, PackageFiles>> = {
  /** CommonJS, as an older tool chain would make it. */
  'quire-plugin-commonjs': {
    'package.json': {
      name: 'quire-plugin-commonjs',
      version,
      main: './index.js',
      peerDependencies,
      quire: { name: 'commonjs', plugin: './index.js', specVersion: 1 },
    },
    'index.js': `'use strict'
const { contiguousStrides } = require('quire-llm/plugin')
${shapes('commonjs')}${tellsThatItRan('commonjs')}module.exports = { plugin: ${pluginObject('commonjs', -1)} }
`,
  },
  /** Not listed by the app, which bundles it. */
  'quire-plugin-bundled': {
    'package.json': {
      name: 'quire-plugin-bundled',
      version,
      type: 'module',
      exports: { '.': './index.js', './register': './register.js' },
      peerDependencies,
      quire: { name: 'bundled', plugin: './index.js', specVersion: 1 },
    },
    'index.js': `import { contiguousStrides } from 'quire-llm/plugin'
${shapes('bundled')}export const plugin = ${pluginObject('bundled', 50)}
`,
    'register.js': `import { registerPlugin } from 'quire-llm/plugin'
import { plugin } from './index.js'
registerPlugin(plugin)
`,
  },
  /** Nobody asked for it: it comes along with another package. */
  'quire-plugin-hoisted': {
    'package.json': {
      name: 'quire-plugin-hoisted',
      version,
      type: 'module',
      exports: { '.': './index.js', './package.json': './package.json' },
      quire: { name: 'hoisted', plugin: './index.js', specVersion: 1 },
    },
    'index.js': `${esmRequire}${tellsThatItRan('hoisted')}const contiguousStrides = () => []
${shapes('hoisted')}export const plugin = ${pluginObject('hoisted', 99)}
`,
  },
  /** Written for a contract that is not there yet. */
  'quire-plugin-future': {
    'package.json': {
      name: 'quire-plugin-future',
      version,
      type: 'module',
      exports: './index.js',
      quire: { name: 'future', plugin: './index.js', specVersion: 2 },
    },
    'index.js': `${esmRequire}${tellsThatItRan('future')}export const plugin = { specVersion: 2 }\n`,
  },
  /** A library that happens to depend on plugins. */
  'a-library': {
    'package.json': {
      name: 'a-library',
      version,
      type: 'module',
      exports: './index.js',
      dependencies: {
        'quire-plugin-hoisted': version,
        'quire-plugin-future': version,
        'quire-plugin-bundled': version,
      },
    },
    'index.js': 'export const answer = 42\n',
  },
}

/** What the app lists; the rest comes along. */
export const directDependencies = [
  'quire-llm',
  'a-library',
  'quire-plugin-commonjs',
  'quire-plugin-javascript',
] as const

/** Whether a package of this repository is Quire or comes with it. */
export function isDefault(name: string): boolean {
  return /^quire-llm$|^@quire-llm\/(candle-cpu|node-|candle-cpu-)/.test(name)
}
