// Which plugins an app has: its direct dependencies that say so, those that were registered, the embedded default.

import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { type Candidate, listCandidates } from '../../ts/src/plugin/candidates.js'
import { pluginInFolder } from '../../ts/src/plugin/discovery.js'
import { registeredPlugins, registerPlugin, unregisterPlugin } from '../../ts/src/plugin/registry.js'
import { selectPlugin } from '../../ts/src/plugin/selection.js'
import { executedPlugins, fakePlugin, pluginModule, writeFolder } from './fake-frameworks.js'

const esm = { type: 'module', quire: { plugin: './plugin.js', specVersion: 1 } }
const none: Readonly<Record<string, string>> = {}

/** An app with these dependencies, and everything that npm might have put beside them. */
const app = (dependencies: Readonly<Record<string, string>>, files: Readonly<Record<string, string | object>>) =>
  writeFolder({ 'package.json': { name: 'app', dependencies }, ...files })

function named(candidates: readonly Candidate[]): string[] {
  return candidates.map(({ name, kind }) => `${name} ${kind}`)
}

test('direct dependencies are found, whatever their module system; others are never executed', async t => {
  const folder = await app(
    { 'a-esm': '1', '@scope/a-cjs': '1', 'a-default': '1', 'no-plugin': '1', 'not-there': '1' },
    {
      'node_modules/a-esm/package.json': esm,
      'node_modules/a-esm/plugin.js': pluginModule('one'),
      'node_modules/@scope/a-cjs/package.json': {
        exports: { '.': './main.js' },
        quire: { plugin: 'plugin.js', specVersion: 1 },
      },
      'node_modules/@scope/a-cjs/plugin.js': pluginModule('two', 'cjs'),
      'node_modules/a-default/package.json': { ...esm, quire: { ...esm.quire, name: 'three' } },
      'node_modules/a-default/plugin.js': pluginModule('three', 'esm default'),
      'node_modules/no-plugin/package.json': { name: 'no-plugin', dependencies: { hoisted: '1' } },
      'node_modules/hoisted/package.json': esm,
      'node_modules/hoisted/plugin.js': pluginModule('hoisted'),
    },
  )
  const candidates = await listCandidates({ appDirectory: join(folder, 'node_modules', '..'), env: none })
  t.deepEqual(named(candidates), ['one installed', 'two installed', 'three installed', 'candle embedded'])
  t.false(executedPlugins().includes('hoisted'))
})

test('a name in package.json spares the others from being imported', async t => {
  const manifest = (name: string) => ({ ...esm, quire: { ...esm.quire, name } })
  const folder = await app(
    { wanted: '1', other: '1' },
    {
      'node_modules/wanted/package.json': manifest('lazy-wanted'),
      'node_modules/wanted/plugin.js': pluginModule('lazy-wanted'),
      'node_modules/other/package.json': manifest('lazy-other'),
      'node_modules/other/plugin.js': pluginModule('lazy-other'),
    },
  )
  const { plugin } = await selectPlugin({ appDirectory: folder, env: none, framework: 'lazy-wanted' })
  t.is(plugin.name, 'lazy-wanted')
  t.true(executedPlugins().includes('lazy-wanted'))
  t.false(executedPlugins().includes('lazy-other'))
})

test('a plugin without a name in package.json is found by its own', async t => {
  const folder = await app(
    { 'quire-nameless': '1' },
    {
      'node_modules/quire-nameless/package.json': esm,
      'node_modules/quire-nameless/plugin.js': pluginModule('nameless'),
    },
  )
  for (const framework of ['nameless', 'quire-nameless']) {
    t.is((await selectPlugin({ appDirectory: folder, env: none, framework })).plugin.name, 'nameless')
  }
})

test('QUIRE_PLUGINS limits discovery', async t => {
  const folder = await app(
    { 'limit-a': '1', 'limit-b': '1' },
    {
      'node_modules/limit-a/package.json': { ...esm, quire: { ...esm.quire, name: 'limited-a' } },
      'node_modules/limit-a/plugin.js': pluginModule('limited-a'),
      'node_modules/limit-b/package.json': esm,
      'node_modules/limit-b/plugin.js': pluginModule('limited-b'),
    },
  )
  const rows: readonly [string | undefined, string[]][] = [
    ['none', ['candle embedded']],
    ['limited-a', ['limited-a installed', 'candle embedded']],
    ['unknown', ['candle embedded']],
    [' limit-b , limited-a ', ['limited-a installed', 'limited-b installed', 'candle embedded']],
    ['', ['limited-a installed', 'limited-b installed', 'candle embedded']],
    [undefined, ['limited-a installed', 'limited-b installed', 'candle embedded']],
  ]
  for (const [QUIRE_PLUGINS, expected] of rows) {
    t.deepEqual(named(await listCandidates({ appDirectory: folder, env: { QUIRE_PLUGINS } })), expected, QUIRE_PLUGINS)
    if (QUIRE_PLUGINS === 'none') t.false(executedPlugins().some(name => name.startsWith('limited')))
  }
})

test('the app is where the program lies, too', async t => {
  const folder = await app(
    { 'entry-plugin': '1' },
    {
      'dist/main.js': '',
      'node_modules/entry-plugin/package.json': esm,
      'node_modules/entry-plugin/plugin.js': pluginModule('by-entry'),
    },
  )
  const elsewhere = await writeFolder({ 'package.json': { name: 'elsewhere' } })
  await mkdir(join(elsewhere, 'bin'))
  await symlink(join(folder, 'dist', 'main.js'), join(elsewhere, 'bin', 'start'))
  for (const entryScript of [join(folder, 'dist', 'main.js'), join(elsewhere, 'bin', 'start')]) {
    const found = await listCandidates({ appDirectory: elsewhere, entryScript, env: none })
    t.deepEqual(named(found), ['by-entry installed', 'candle embedded'])
  }
  t.deepEqual(named(await listCandidates({ appDirectory: folder, entryScript: '/not/there', env: none })), [
    'by-entry installed',
    'candle embedded',
  ])
})

const faults: readonly [string, object, Readonly<Record<string, string>>, RegExp][] = [
  [
    'another contract version',
    { ...esm, quire: { plugin: './plugin.js', specVersion: 7 } },
    { 'plugin.js': pluginModule('never-run') },
    /from faulty was written for contract version 7; this Quire has version 1/,
  ],
  [
    'no contract version',
    { ...esm, quire: { plugin: './plugin.js' } },
    { 'plugin.js': pluginModule('never-run') },
    /contract version undefined; this Quire has version 1/,
  ],
  [
    'a module of another version than its package.json',
    esm,
    { 'plugin.js': 'export const plugin = { specVersion: 2 }' },
    /contract version 2; this Quire has version 1/,
  ],
  [
    'a module that throws',
    esm,
    { 'plugin.js': 'throw new Error("no driver")' },
    /from faulty cannot be imported: no driver/,
  ],
  ['a module that is not there', esm, {}, /from faulty cannot be imported/],
  [
    'a path out of the package',
    { ...esm, quire: { plugin: '../escape.js', specVersion: 1 } },
    { '../escape.js': pluginModule('never-run') },
    /names no file of its own/,
  ],
  ['a path that is none', { ...esm, quire: { plugin: true, specVersion: 1 } }, {}, /names no file of its own/],
  ['no plugin in it', esm, { 'plugin.js': 'export const other = 1' }, /exports no plugin object/],
  [
    'no probe',
    esm,
    { 'plugin.js': 'export const plugin = { specVersion: 1, name: "x", priority: 1, open() {} }' },
    /lacks `probe`/,
  ],
  [
    'another name',
    { ...esm, quire: { ...esm.quire, name: 'said' } },
    { 'plugin.js': pluginModule('is') },
    /is 'is', but its package.json says 'said'/,
  ],
]

for (const [title, manifest, files, message] of faults) {
  test(`refused: a plugin with ${title}`, async t => {
    const inPackage = Object.entries(files).map(([name, text]) => [`node_modules/faulty/${name}`, text])
    const folder = await app(
      { faulty: '1' },
      { 'node_modules/faulty/package.json': manifest, ...Object.fromEntries(inPackage) },
    )
    await t.throwsAsync(selectPlugin({ appDirectory: folder, env: none }), { code: 'ERR_PLUGIN', message })
    const [shown] = await listCandidates({ appDirectory: folder, env: none })
    t.regex(shown?.probe.reason ?? '', message)
    t.is((await selectPlugin({ appDirectory: folder, env: { QUIRE_PLUGINS: 'none' } })).plugin.name, 'candle')
    t.false(executedPlugins().includes('never-run'))
  })
}

test.serial('a registered plugin hides those of its name, and is replaced by the next one', async t => {
  const folder = await app(
    { 'twice-installed': '1' },
    {
      'node_modules/twice-installed/package.json': esm,
      'node_modules/twice-installed/plugin.js': pluginModule('twice', 'esm', 99),
    },
  )
  registerPlugin(fakePlugin({ name: 'twice', priority: 1 }))
  registerPlugin(fakePlugin({ name: 'candle', priority: 2 }))
  t.teardown(() => ['twice', 'candle'].map(unregisterPlugin))
  const reach = { appDirectory: folder, env: none }
  t.deepEqual(named(await listCandidates(reach)), ['twice registered', 'candle registered'])
  registerPlugin(fakePlugin({ name: 'twice', priority: 3 }))
  t.is((await selectPlugin(reach)).plugin.priority, 3)
  t.deepEqual(
    registeredPlugins().map(({ name }) => name),
    ['candle', 'twice'],
  )
  t.true(unregisterPlugin('twice'))
  t.false(unregisterPlugin('twice'))
  t.deepEqual(named(await listCandidates(reach)), ['candle registered', 'twice installed'])
  t.throws(() => registerPlugin({ ...fakePlugin({ name: 'x' }), priority: Number.NaN }), {
    message: /lacks `priority`/,
  })
})

test('a probe that throws is a reason', async t => {
  const folder = await app(
    { throws: '1' },
    {
      'node_modules/throws/package.json': esm,
      'node_modules/throws/plugin.js':
        'export const plugin = { specVersion: 1, name: "throws", priority: 9, probe: async () => { throw new Error("driver too old") }, open() {} }',
    },
  )
  const { plugin, passedOver } = await selectPlugin({ appDirectory: folder, env: none })
  t.is(plugin.name, 'candle')
  t.deepEqual(passedOver, [{ name: 'throws', origin: 'throws', reason: 'driver too old' }])
})

test('a folder under development is a plugin', async t => {
  const folder = await writeFolder({ 'package.json': { ...esm, name: 'in-folder' }, 'plugin.js': pluginModule('mine') })
  const source = await pluginInFolder(folder)
  t.is(source.origin, 'in-folder')
  t.is((await source.load()).name, 'mine')
  await t.throwsAsync(pluginInFolder(join(folder, 'nowhere')), { code: 'ERR_PLUGIN', message: /There is no plugin in/ })
})
