// The packages published to a registry and installed from there into empty apps, by every package manager, and by none: `npx quire-llm`.
// The registry has packages for all platforms, so that it is the package managers that choose.

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { packPackages } from '../../ts/build/pack.mjs'
import { platformPackages } from '../../ts/build/platform-packages.mjs'
import { currentPlatform, platformName } from '../../ts/src/plugin/native-platform.js'
import { cachedPackages } from '../apps/cached-packages.js'
import { InstalledApp } from '../apps/installed-app.js'
import { isDefault } from '../apps/plugin-packages.js'
import { succeeded } from '../apps/run-program.js'
import { findRuntimes, npm } from '../apps/runtimes.js'
import { elf, machO, pe } from '../plugin/binary-samples.js'
import { installedSize } from './installed-size.mjs'
import { LocalRegistry } from './local-registry.js'

const here = platformName(currentPlatform())
const runtimes = await findRuntimes()
const programs = await cachedPackages('packaging', {
  dependencies: { '@yarnpkg/cli-dist': '4.18.1', verdaccio: '6.2.0', yarn: '1.22.22' },
  // verdaccio's plugins want a tag of node-fetch that not every registry has.
  overrides: { 'node-fetch': '2.7.0' },
})

const folder = await mkdtemp(join(tmpdir(), 'quire-install-'))
let registry: LocalRegistry | undefined
test.after.always('the registry stops, the apps are removed', async () => {
  registry?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** A binary of each other platform: one that its package manager must not bring here. */
async function binariesOfOthers(): Promise<string> {
  const binaries = join(folder, 'binaries')
  await mkdir(binaries)
  for (const { file, platform } of platformPackages()) {
    const isArm = platform.includes('arm64')
    const bytes = platform.startsWith('linux')
      ? elf(isArm ? 183 : 62)
      : platform.startsWith('darwin')
        ? machO(isArm ? 0x0100000c : 0x01000007)
        : pe(isArm ? 0xaa64 : 0x8664)
    if (platform !== here) await writeFile(join(binaries, file), bytes)
  }
  return binaries
}

async function publishAll(verdaccio: string): Promise<string> {
  const tarballs = join(folder, 'tarballs')
  const packed = await packPackages(tarballs, { binaries: await binariesOfOthers(), complete: true })
  registry = await LocalRegistry.start(verdaccio)
  for (const { name, filename } of packed) if (isDefault(name)) await registry.publish(join(tarballs, filename))
  return registry.url
}

const program = `
import { LLM } from 'quire-llm'
const llm = await LLM.create({ numBlocks: 64, threads: 1 })
const { outputs: [output] } = await llm.generate('Once upon a time', { temperature: 0, maxTokens: 8 })
await llm.close()
console.log(JSON.stringify({ text: output.text }))
`

/** A package manager: how it is told of the registry and of a cache of its own, how it adds a package, how a program is run. */
interface PackageManager {
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly add: readonly string[]
  readonly start: readonly string[]
  /** Whether it knows the field `libc`: one that does not brings a package for each C library. */
  readonly knowsLibc: boolean
}

function packageManagers(url: string, cache: string): Readonly<Record<string, PackageManager | { reason: string }>> {
  const modules = join(programs as string, 'node_modules')
  const node = process.execPath
  const berry = join(modules, '@yarnpkg/cli-dist/bin/yarn.js')
  const berryFile = (linker: string) =>
    [
      `npmRegistryServer: ${JSON.stringify(url)}`,
      'unsafeHttpWhitelist: [127.0.0.1]',
      // What was published a moment ago is too young for its default.
      'npmMinimalAgeGate: 0',
      'enableTelemetry: false',
      `nodeLinker: ${linker}`,
    ].join('\n')
  const berryEnv = { YARN_GLOBAL_FOLDER: cache, YARN_ENABLE_IMMUTABLE_INSTALLS: 'false', YARN_ENABLE_SCRIPTS: 'false' }
  const flags = ['--registry', url]
  return {
    npm: {
      add: [npm, 'install', ...flags, '--cache', cache, '--no-audit', '--no-fund', '--ignore-scripts', 'quire-llm'],
      start: [node],
      knowsLibc: true,
    },
    pnpm:
      'reason' in runtimes.pnpm
        ? runtimes.pnpm
        : {
            add: [...runtimes.pnpm, 'add', ...flags, '--store-dir', cache, '--ignore-scripts', 'quire-llm'],
            start: [node],
            knowsLibc: true,
          },
    'yarn 1': {
      add: [
        ...[node, join(modules, 'yarn/bin/yarn.js'), 'add', ...flags, '--cache-folder', cache],
        ...['--ignore-scripts', '--non-interactive', 'quire-llm'],
      ],
      start: [node],
      knowsLibc: false,
    },
    'yarn 4, node_modules': {
      files: { '.yarnrc.yml': berryFile('node-modules'), 'yarn.lock': '' },
      env: berryEnv,
      add: [node, berry, 'add', 'quire-llm'],
      start: [node],
      knowsLibc: true,
    },
    "yarn 4, Plug'n'Play": {
      files: { '.yarnrc.yml': berryFile('pnp'), 'yarn.lock': '' },
      env: berryEnv,
      add: [node, berry, 'add', 'quire-llm'],
      start: [node, berry, 'node'],
      knowsLibc: true,
    },
    bun:
      'reason' in runtimes.bun
        ? runtimes.bun
        : {
            env: { BUN_INSTALL_CACHE_DIR: cache },
            add: [...runtimes.bun, 'add', ...flags, '--ignore-scripts', 'quire-llm'],
            start: runtimes.bun,
            knowsLibc: true,
          },
  }
}

/** Beside native code, whose size is that of the profile it was built with. That for publishing has 11 MB, of 20 in all. */
const LIMIT_BYTES = 9_000_000

function holdsTheLimit(t: ExecutionContext, app: InstalledApp): void {
  const { packages } = installedSize(app.folder, path => !path.endsWith('.node'))
  t.log(packages)
  const total = Object.values(packages).reduce((sum, bytes) => sum + bytes, 0)
  t.true(total < LIMIT_BYTES, `${total} bytes: what users install has grown`)
  t.deepEqual(
    Object.keys(packages).filter(name => name !== 'quire-llm' && !name.startsWith('@quire-llm/')),
    [],
    'no package of others',
  )
}

/** What goes through proxies is bundled by the part: a pull asks the proxy, and takes its answer for the hub's. */
async function pullsThroughAProxy(t: ExecutionContext, app: InstalledApp): Promise<void> {
  const asked: (string | undefined)[] = []
  const proxy = createServer().on('connect', (request, socket) => {
    asked.push(request.url)
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    socket.once('data', () => socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'))
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const env = { http_proxy: address, no_proxy: '', HF_ENDPOINT: 'http://hub.invalid', HF_HOME: join(app.folder, 'hub') }
  const command = [process.execPath, 'node_modules/quire-llm/bin/quire.js', 'pull', 'org/name'] as const
  const { code, stderr } = await app.run(command, env)
  proxy.close()
  t.is(code, 1)
  t.regex(stderr, /ERR_HUB_NOT_FOUND/)
  t.deepEqual([...new Set(asked)], ['hub.invalid:80'])
}

/** The platforms whose packages lie in node_modules, where there is one. */
async function installedPlatforms(app: InstalledApp): Promise<string[]> {
  const flat = join(app.folder, 'node_modules', '@quire-llm')
  const pnpm = join(app.folder, 'node_modules', '.pnpm')
  const names = existsSync(pnpm) ? await readdir(pnpm) : existsSync(flat) ? await readdir(flat) : []
  return names
    .map(name => /node-(.*?)(?:@|$)/.exec(name)?.[1] ?? '')
    .filter(name => /^(linux|darwin|win32)-/.test(name))
}

if (typeof programs !== 'string') {
  test.skip(`installed from a registry: ${programs.reason}`, () => {})
} else {
  const published = publishAll(programs)
  published.catch(() => {}) // told by the first test that awaits it
  let expected: string | undefined

  for (const [name, manager] of Object.entries(packageManagers('', ''))) {
    const title = `${name}: installed into an empty app, it generates, with native code for this platform and no other`
    if ('reason' in manager) {
      test.skip(`${title}: ${manager.reason}`, () => {})
      continue
    }
    test.serial(title, async t => {
      const url = await published
      const app = new InstalledApp(join(folder, `app-${name.replace(/\W+/g, '-')}`))
      const { files, env, add, start, knowsLibc } = packageManagers(url, `${app.folder}-cache`)[name] as PackageManager
      await app.write({
        'package.json': { name: 'app', private: true, type: 'module' },
        'program.mjs': program,
        ...files,
      })
      succeeded(await app.run(add, env))
      const said = succeeded(await app.run([...start, 'program.mjs'], env))
        .trimEnd()
        .split('\n')
        .at(-1)
      expected ??= said
      t.is(said, expected)
      t.regex(said ?? '', /\{"text":".*\w/)
      const platforms = await installedPlatforms(app)
      if (!name.includes('Play')) t.deepEqual(knowsLibc ? platforms : platforms.filter(each => each === here), [here])
      if (name === 'npm') {
        holdsTheLimit(t, app)
        await pullsThroughAProxy(t, app)
      }
      for (const each of platforms) t.is(each.replace(/-\w+$/, ''), here.replace(/-\w+$/, ''))
    })
  }

  const starts: readonly (readonly [string, readonly string[] | { readonly reason: string }])[] = [
    ['npx --yes quire-llm', [npm, 'exec', '--yes', '--', 'quire-llm']],
    ['pnpm dlx quire-llm', 'reason' in runtimes.pnpm ? runtimes.pnpm : [...runtimes.pnpm, 'dlx', 'quire-llm']],
    ['bunx quire-llm', 'reason' in runtimes.bun ? runtimes.bun : [...runtimes.bun, 'x', 'quire-llm']],
  ]
  for (const [name, start] of starts) {
    const title = `${name}: with nothing installed before`
    if ('reason' in start) {
      test.skip(`${title}: ${start.reason}`, () => {})
      continue
    }
    test.serial(title, async t => {
      const url = await published
      const home = join(folder, name.replace(/\W+/g, '-'))
      const app = new InstalledApp(join(home, 'empty'))
      await app.write({ '.npmrc': `registry=${url}\n` })
      const env = {
        npm_config_registry: url,
        npm_config_cache: join(home, 'npm'),
        npm_config_store_dir: join(home, 'store'),
        XDG_CACHE_HOME: join(home, 'cache'),
        BUN_INSTALL_CACHE_DIR: join(home, 'bun'),
        TMPDIR: home,
      }
      t.regex(succeeded(await app.run([...start, '--help'], env)), /Usage: quire <command>/)
      const flags = ['generate', '--prompt', 'Once upon a time', '--max-tokens', '8', '--temperature', '0']
      const said = succeeded(await app.run([...start, ...flags], env))
      t.true((JSON.parse(expected as string) as { text: string }).text.includes(said.trim()), said)
    })
  }
}
