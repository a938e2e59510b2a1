// The same specs in every runtime: an app with the packed packages, run by releases of Node.js, by Bun, and by Deno, which also
// takes the packages by `npm:` specifiers and with no more permissions than the guide says.

import { readdirSync } from 'node:fs'
import { copyFile, cp } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { InstalledApp, Workplace } from '../apps/installed-app.js'
import { succeeded } from '../apps/run-program.js'
import { findRuntimes } from '../apps/runtimes.js'
import { blocksOf, readGuide } from '../docs/guide-blocks.js'
import { nodeReleases } from './node-releases.js'
import { PackageRegistry } from './package-registry.js'
import { specs } from './specs.mjs'

type Results = Readonly<Record<string, { readonly value?: unknown; readonly error?: string }>>
type Start = readonly string[] | { readonly reason: string }

const here = fileURLToPath(new URL('./', import.meta.url))
const names = Object.keys(specs)
const guide = readGuide('deno-and-bun.md')
const [pluginSpec, serveSpec, streamSpec] = ['plugins:', 'serves:', 'LLM.stream:'].map(
  start => names.find(name => name.startsWith(start)) as string,
)

const { bun, deno } = await findRuntimes()
const releases = await nodeReleases()
const workplace = Workplace.create()
const app = workplace.then(async place => withSpecs(await place.npmApp()))
for (const promise of [workplace, app]) promise.catch(() => {}) // told by the first test that awaits it
test.after.always('the apps are removed', async () => (await workplace).remove())

async function withSpecs(installed: InstalledApp): Promise<InstalledApp> {
  const programs = readdirSync(here).filter(file => file.endsWith('.mjs'))
  await Promise.all(programs.map(file => copyFile(join(here, file), join(installed.folder, file))))
  return installed
}

/** What the specs gave. That this comes at all shows that nothing kept the process. */
async function resultsOf(
  place: InstalledApp,
  start: readonly string[],
  env: Readonly<Record<string, string>> = {},
  only: readonly string[] = [],
): Promise<Results> {
  const finished = await place.run([...start, 'run-specs.mjs', ...only], { DENO_NO_UPDATE_CHECK: '1', ...env })
  return JSON.parse(succeeded(finished).trimEnd().split('\n').at(-1) ?? '') as Results
}

let expected: Results | undefined

const starts: readonly (readonly [string, Start])[] = [
  ...releases.map(({ version, start }) => [`node ${version}`, start] as const),
  ['bun', bun],
  ['deno, with the permissions of the guide', 'reason' in deno ? deno : [...deno, ...permissions()]],
]

for (const [title, start] of starts) {
  if ('reason' in start) {
    test.skip(`${title}: ${start.reason}`, () => {})
    continue
  }
  test.serial(`${title}: every spec, and the same tokens, vectors and errors as everywhere`, async t => {
    const results = await resultsOf(await app, start)
    t.deepEqual(Object.keys(results), names)
    for (const [name, { error }] of Object.entries(results)) t.is(error, undefined, name)
    expected ??= results
    t.deepEqual(results, expected)
  })
}

/** `deno run` and its flags, as the guide has them. */
function permissions(): string[] {
  const flags = commandOf('deno run').filter(word => word.startsWith('--'))
  return ['run', '--no-prompt', ...flags]
}

/** Words of the command line of the guide that begins so. */
function commandOf(start: string): string[] {
  const shell = blocksOf(guide).filter(({ language }) => language === 'sh')
  const line = shell.flatMap(({ text }) => text.split('\n')).find(text => text.startsWith(start))
  return line?.split(' ') ?? []
}

if ('reason' in bun) {
  test.skip(`bun build --compile: ${bun.reason}`, () => {})
} else {
  test.serial('bun build --compile: one file with the native modules runs where there is no package', async t => {
    const place = await app
    const program = blocksOf(guide).find(({ name }) => name === 'answer.ts')?.text ?? ''
    const natives = readdirSync(join(place.folder, 'node_modules'), { recursive: true, encoding: 'utf8' }).filter(
      path => path.endsWith(`.node`) && /quire/.test(basename(path)),
    )
    t.is(natives.length, 2)
    // Those of this machine, from wherever they were installed.
    let numImports = 0
    const here = program.replace(/'\.\/node_modules\/\S+\.node'/g, () => `'./node_modules/${natives[numImports++]}'`)
    t.is(numImports, 2)
    await place.write({ 'answer.ts': here })
    const deployed = await (await workplace).emptyApp('compiled')
    const [, ...words] = commandOf('bun build')
    const output = join(deployed.folder, 'answer')
    succeeded(await place.run([...bun, ...words.slice(0, -1), output]))
    await cp(join(place.folder, 'node_modules/quire-llm/assets/tiny-model'), join(deployed.folder, 'model'), {
      recursive: true,
    })
    const said = succeeded(await deployed.run([output, './model', 'Once upon a time']))
    const { value } = (expected as Results)[streamSpec as string] as { value: string }
    t.is(said, `${value}\n`)
  })
}

if ('reason' in deno) {
  test.skip(`deno's own ways: ${deno.reason}`, () => {})
} else {
  test.serial('deno: none of the permissions of the guide can be left out', async t => {
    const [command, prompt, ...flags] = permissions() as [string, string, ...string[]]
    t.true(flags.length > 0)
    for (const flag of flags) {
      const fewer = [...deno, command, prompt, ...flags.filter(other => other !== flag)]
      const results = await resultsOf(await app, fewer, {}, [serveSpec as string])
      t.truthy(results[serveSpec as string]?.error, `it runs without ${flag}`)
    }
  })

  test.serial('deno: by npm: specifiers, from its own cache, with no package.json and no node_modules', async t => {
    const place = await workplace
    const folder = join(place.folder, 'deno-app')
    const bare = new InstalledApp(folder)
    await bare.write({
      'deno.json': {
        imports: Object.fromEntries(
          ['', '/server', '/plugin'].map(path => [`quire-llm${path}`, `npm:quire-llm@^0.1.0${path}`]),
        ),
      },
    })
    await withSpecs(bare)
    const registry = await PackageRegistry.listen(Object.values(place.tarballs), place.folder)
    try {
      const env = { NPM_CONFIG_REGISTRY: registry.url, DENO_DIR: join(place.folder, 'deno') }
      // Which plugins an app has is written in its package.json.
      const only = names.filter(name => name !== pluginSpec)
      const results = await resultsOf(bare, [...deno, 'run', '--allow-all'], env, only)
      for (const name of only) t.deepEqual(results[name], (expected as Results)[name], name)
    } finally {
      await registry.close()
    }
  })
}
