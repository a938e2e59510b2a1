// Native modules that are missing or wrong: what is tried, what is told, and that the process lives on.

import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'
import { type ErrorDetails, NativeBindingError } from '../../ts/src/errors.js'
import { readBinaryHeader } from '../../ts/src/plugin/binary-header.js'
import { loadNativeAddon, type NativeAddon } from '../../ts/src/plugin/native-addon.js'
import {
  currentPlatform,
  type NativePlatform,
  PUBLISHED_PLATFORMS,
  platformName,
} from '../../ts/src/plugin/native-platform.js'
import { elf, machO, pe, universal } from './binary-samples.js'

const here = currentPlatform()
const hereName = platformName(here)
const built = fileURLToPath(new URL(`../../ts/native/quire.${hereName}.node`, import.meta.url))
const isLinux = here.system === 'linux' && existsSync(built)

const folder = await mkdtemp(join(tmpdir(), 'quire-native-'))
test.after.always('the folder is removed', () => rm(folder, { recursive: true, force: true }))

let apps = 0

/** An app with quire-llm installed in it, and no native module yet. */
async function newApp(): Promise<{ readonly path: string; readonly addon: NativeAddon }> {
  apps += 1
  const path = join(folder, `app-${apps}`)
  const root = join(path, 'node_modules', 'quire-llm')
  await mkdir(join(root, 'native'), { recursive: true })
  await writeFile(join(root, 'package.json'), JSON.stringify({ name: 'quire-llm', version: '0.1.0' }))
  const from = pathToFileURL(join(root, 'dist', 'binding', 'native.js')).href
  return { path, addon: { owner: 'quire-llm', binary: 'quire', packages: '@quire-llm/node', from, root: '../../' } }
}

/** Puts a platform package into an app, with the given file for its module. */
async function install(path: string, platform: string, bytes: Uint8Array, version = '0.1.0'): Promise<string> {
  const name = `@quire-llm/node-${platform}`
  const main = `quire.${platform}.node`
  const target = join(path, 'node_modules', name)
  await mkdir(target, { recursive: true })
  await writeFile(join(target, 'package.json'), JSON.stringify({ name, version, main }))
  await writeFile(join(target, main), bytes)
  return join(target, main)
}

function failed(addon: NativeAddon, platform: NativePlatform = here, env: Record<string, string> = {}) {
  try {
    loadNativeAddon(addon, { platform, env })
  } catch (error) {
    if (error instanceof NativeBindingError) {
      const { code, message, details } = error
      return { code, message, details: details as ErrorDetails & { reason: string; tried: string[] } }
    }
    throw error
  }
  throw new Error('it was loaded')
}

/** The built module with some text in it replaced by as many other bytes. */
async function patched(from: string, to: string): Promise<Buffer> {
  const bytes = await readFile(built)
  let count = 0
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1), count += 1)
    bytes.write(to, at, 'latin1')
  if (count === 0 || from.length !== to.length) throw new Error(`${from} cannot be patched`)
  return bytes
}

test('not installed: the platform, every place, and the command', async t => {
  const { path, addon } = await newApp()
  const { code, message, details } = failed(addon, { system: 'linux', arch: 'arm64', libc: 'gnu' })
  t.is(code, 'ERR_NATIVE_BINDING')
  t.is(details.reason, 'missing')
  t.is(details.platform, 'linux-arm64-gnu')
  t.deepEqual(details.tried, [
    join(path, 'node_modules/quire-llm/native/quire.linux-arm64-gnu.node'),
    '@quire-llm/node-linux-arm64-gnu',
    join(path, 'node_modules/quire-llm/dist/binding/quire.linux-arm64-gnu.node'),
  ])
  for (const place of details.tried) t.true(message.includes(`${place} (not there)`), message)
  t.regex(message, /npm install @quire-llm\/node-linux-arm64-gnu/)
  t.regex(message, /npm run build/)
})

test('a platform that nothing is published for', async t => {
  const { addon } = await newApp()
  const { message, details } = failed(addon, { system: 'freebsd', arch: 'x64' })
  t.is(details.reason, 'not-published')
  t.regex(message, /no package for this platform; there are some for linux-x64-gnu, .*win32-arm64-msvc/)
})

const foreign: readonly [string, NativePlatform, string, string, RegExp][] = [
  ['the other C library', { system: 'linux', arch: 'x64', libc: 'musl' }, 'linux-x64-gnu', 'other-libc', /C library/],
  ['another system', { system: 'darwin', arch: 'arm64' }, 'linux-arm64-gnu', 'other-platform', /another platform/],
  ['another processor', { system: 'win32', arch: 'x64' }, 'win32-arm64-msvc', 'other-platform', /another platform/],
]

for (const [title, platform, installed, reason, text] of foreign) {
  test(`node_modules that were made on another machine: ${title}`, async t => {
    const { path, addon } = await newApp()
    await install(path, installed, elf(62))
    const { message, details } = failed(addon, platform)
    t.is(details.reason, reason)
    t.regex(message, text)
    t.true(message.includes(`node_modules has @quire-llm/node-${installed}`))
    t.regex(message, /npm install` on this machine/)
  })
}

const headers: readonly [string, Uint8Array, RegExp][] = [
  ['a library for another processor', elf(183), /was made for linux on arm64/],
  ['a library for macOS', machO(0x0100000c), /was made for darwin on arm64/],
  ['a universal library for macOS', universal([0x01000007, 0x0100000c]), /was made for darwin on x64 and arm64/],
  ['a library for Windows', pe(0xaa64), /was made for win32 on arm64/],
]

for (const [title, bytes, text] of headers) {
  test(`a file with the right name that is ${title}`, async t => {
    const { path, addon } = await newApp()
    const file = await install(path, 'linux-x64-gnu', bytes)
    const { message, details } = failed(addon, { system: 'linux', arch: 'x64', libc: 'gnu' })
    t.is(details.reason, 'other-platform')
    t.true(message.includes(file))
    t.regex(message, text)
  })
}

test('files that are damaged', async t => {
  const platform: NativePlatform = { system: 'linux', arch: 'x64', libc: 'gnu' }
  for (const bytes of [
    new Uint8Array(),
    Buffer.from('<!doctype html><title>Proxy</title>'.repeat(9)),
    elf(62).subarray(0, 40),
    Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.alloc(60, 0xff)]),
    Buffer.from('cafebabe00000034', 'hex'),
    Buffer.concat([Buffer.from('MZ'), Buffer.alloc(62, 0xff)]),
  ]) {
    const { path, addon } = await newApp()
    await install(path, 'linux-x64-gnu', bytes)
    const { message, details } = failed(addon, platform)
    t.true(details.reason === 'corrupt' || details.reason === 'other-platform', `${details.reason}: ${message}`)
    t.regex(message, /npm install/)
  }
})

const onLinux = isLinux ? test : test.skip
const needsLinux = isLinux ? '' : `: this is ${hereName}, or nothing is built`

onLinux(`a module that was cut off is not given to the system's loader${needsLinux}`, async t => {
  const { path, addon } = await newApp()
  const file = await install(path, hereName, await readFile(built))
  for (const share of [0.99, 0.5, 0.001]) {
    await truncate(file, Math.floor((await readFile(built)).length * share))
    t.is(failed(addon).details.reason, 'corrupt')
  }
})

onLinux(`a module that wants a newer glibc${needsLinux}`, async t => {
  if (here.libc !== 'gnu') return t.log('SKIPPED: this system has musl') as undefined
  const { path, addon } = await newApp()
  await install(path, hereName, await patched('GLIBC_2.2.5\0', 'GLIBC_9.9.9\0'))
  const { message, details } = failed(addon)
  t.is(details.reason, 'old-glibc', message)
  t.regex(message, /needs glibc 9\.9\.9 or newer, and this system has \d+\.\d+/)
})

onLinux(`a module for musl under the name for glibc${needsLinux}`, async t => {
  if (here.libc !== 'gnu') return t.log('SKIPPED: this system has musl') as undefined
  const { path, addon } = await newApp()
  const file = await install(path, hereName, await patched('libc.so.6\0', 'libc.musl\0'))
  const { message, details } = failed(addon)
  t.is(details.reason, 'other-libc', message)
  t.true(message.includes(`${file} was made for musl, and this system has glibc`))
})

onLinux(`a whole library that is no module of Node${needsLinux}`, async t => {
  const { path, addon } = await newApp()
  await install(path, hereName, await patched('napi_register_module_v1', 'napi_register_module_vX'))
  const { message, details } = failed(addon)
  t.is(details.reason, 'load', message)
  t.regex(message, /did not self-register|Module/)
})

onLinux(`a package of another version${needsLinux}`, async t => {
  const { path, addon } = await newApp()
  await install(path, hereName, await readFile(built), '0.0.9')
  const { message, details } = failed(addon)
  t.is(details.reason, 'other-version')
  t.regex(message, /has version 0\.0\.9, and version 0\.1\.0 is needed/)
})

onLinux(`what a clone built comes first, then the package, then what lies beside a bundle${needsLinux}`, async t => {
  const loads = (addon: NativeAddon) => typeof (loadNativeAddon(addon) as { Tokenizer?: unknown }).Tokenizer
  const inClone = await newApp()
  await copyFile(built, join(inClone.path, `node_modules/quire-llm/native/quire.${hereName}.node`))
  await install(inClone.path, hereName, Buffer.from('damaged'))
  t.is(loads(inClone.addon), 'function')

  const inPackage = await newApp()
  await install(inPackage.path, hereName, await readFile(built))
  await putBeside(inPackage.addon, Buffer.from('damaged'))
  t.is(loads(inPackage.addon), 'function')

  const besideBundle = await newApp()
  await putBeside(besideBundle.addon, await readFile(built))
  t.is(loads(besideBundle.addon), 'function')
})

onLinux(`QUIRE_NATIVE_DIR is the only place${needsLinux}`, async t => {
  const { addon } = await newApp()
  const env = { QUIRE_NATIVE_DIR: fileURLToPath(new URL('../../ts/native', import.meta.url)) }
  t.truthy(loadNativeAddon(addon, { platform: here, env }))
  const elsewhere = { QUIRE_NATIVE_DIR: join(folder, 'nothing-here') }
  t.deepEqual(failed(addon, here, elsewhere).details.tried, [join(folder, 'nothing-here', `quire.${hereName}.node`)])
})

onLinux(`the C library is read from the program that runs${needsLinux}`, t => {
  const { interpreter, isWhole, archs } = readBinaryHeader(process.execPath) ?? {}
  t.regex(interpreter ?? '', /\/ld-(linux|musl)/)
  t.true(isWhole)
  t.deepEqual(archs, [process.arch])
})

async function putBeside(addon: NativeAddon, bytes: Uint8Array): Promise<void> {
  const path = fileURLToPath(new URL(`./quire.${hereName}.node`, addon.from))
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, bytes)
}

for (const [source, packages] of [
  ['ts/src/binding/native.ts', '@quire-llm/node'],
  ['plugins/candle-cpu/src/native.ts', '@quire-llm/candle-cpu'],
] as const) {
  test(`the code names every package that is published: ${packages}`, async t => {
    const code = await readFile(new URL(`../../${source}`, import.meta.url), 'utf8')
    const named = [...code.matchAll(/case '(.*)':\n\s*return require\('(.*)'\)/g)].map(([, platform, name]) => [
      platform,
      name,
    ])
    t.deepEqual(
      named,
      PUBLISHED_PLATFORMS.map(platform => [platform, `${packages}-${platform}`]),
    )
  })
}

test('the package of the platform is required by the name that the code has', async t => {
  const { path, addon } = await newApp()
  await install(path, hereName, await readFile(built))
  const asked: string[] = []
  const exports = { marked: true }
  const requirePackage = (platform: string) => {
    asked.push(platform)
    return exports
  }
  t.is(loadNativeAddon({ ...addon, requirePackage }, { platform: here, env: {} }), exports)
  t.deepEqual(asked, [hereName])
})
