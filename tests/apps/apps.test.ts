// Quire as apps have it: packed, installed by npm or pnpm, imported from Node, Bun and Deno, as ESM, as CommonJS, and bundled.

import { existsSync } from 'node:fs'
import { mkdir, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'ava'
import { InstalledApp, Workplace } from './installed-app.js'
import { type Finished, succeeded } from './run-program.js'
import { findRuntimes } from './runtimes.js'

/** The bundler that tsx brings. */
const besideTsx = createRequire(createRequire(import.meta.url).resolve('tsx/package.json'))
const { build } = besideTsx('esbuild') as typeof import('esbuild')

const runtimes = await findRuntimes()
const workplace = Workplace.create()
workplace.catch(() => {}) // told by the first test that awaits it
test.after.always('the apps are removed', async () => (await workplace).remove())

/** Runs a model on whatever is selected, then uses another framework by name. */
const program = `
const llm = await LLM.create({ numBlocks: 64, threads: 1 })
const { outputs: [output] } = await llm.generate('Once upon a time', { temperature: 0, maxTokens: 8 })
const frameworks = [framework.name]
const used = await useFramework('commonjs')
frameworks.push(framework.name)
const { shape, dtype } = framework.zeros([2, 3], { dtype: framework.half })
await used.close()
frameworks.push(framework.name)
await llm.close()
console.log(JSON.stringify({ frameworks, text: output.text, shape, dtype }))
`
const esmProgram = `import { framework, LLM, useFramework } from 'quire-llm'\n${program}`
const cjsProgram = `const { framework, LLM, useFramework } = require('quire-llm')\n;(async () => {${program}})()\n`

interface Said {
  readonly frameworks: readonly string[]
  readonly text: string
  readonly shape: readonly number[]
  readonly dtype: string
}

function said(finished: Finished): Said {
  return JSON.parse(succeeded(finished).trimEnd().split('\n').at(-1) ?? '') as Said
}

const layouts: Readonly<Record<string, Promise<InstalledApp> | { readonly reason: string }>> = {
  npm: workplace.then(place => place.npmApp()),
  pnpm:
    'reason' in runtimes.pnpm
      ? runtimes.pnpm
      : Promise.all([workplace, runtimes.pnpm]).then(([place, pnpm]) => place.pnpmApp(pnpm)),
}
for (const layout of Object.values(layouts)) if (!('reason' in layout)) layout.catch(() => {})

const starts: readonly (readonly [string, readonly string[] | { readonly reason: string }, string])[] = [
  ['node', runtimes.node, 'program.mjs'],
  ['node, as CommonJS', runtimes.node, 'program.cjs'],
  ['bun', runtimes.bun, 'program.mjs'],
  ['deno', 'reason' in runtimes.deno ? runtimes.deno : [...runtimes.deno, 'run', '--allow-all'], 'program.mjs'],
]

let text: string | undefined

for (const [layout, app] of Object.entries(layouts)) {
  for (const [runtime, start, file] of starts) {
    const missing = 'reason' in app ? app.reason : 'reason' in start ? start.reason : undefined
    const title = `${layout}, ${runtime}: the app's own plugins, ESM and CommonJS, and no other`
    if (missing !== undefined || 'reason' in app || 'reason' in start) {
      test.skip(`${title}: ${missing}`, () => {})
      continue
    }
    test.serial(title, async t => {
      const { folder } = await app
      await (await app).write({ 'program.mjs': esmProgram, 'program.cjs': cjsProgram })
      const marker = join(folder, `executed-by-${runtime}`)
      const finished = await (await app).run([...start, file], {
        EXECUTED: marker,
        DENO_DIR: join((await workplace).folder, 'deno'),
        DENO_NO_UPDATE_CHECK: '1',
      })
      const { frameworks, shape, dtype, text: told } = said(finished)
      t.deepEqual(frameworks, ['javascript', 'commonjs', 'javascript'])
      t.deepEqual([shape, dtype], [[2, 3], 'float16'])
      text ??= told
      t.is(told, text, 'the same text, whatever runs it')
      t.regex(told, /\w/)
      t.false((await readFile(marker, 'utf8')).includes('hoisted'), 'a transitive plugin is never executed')
    })
  }
}

const npmApp = async () => await (layouts.npm as Promise<InstalledApp>)

test.serial('npm: what comes along is there, side by side, and out of reach', async t => {
  const app = await npmApp()
  t.true((await app.installed()).includes('quire-plugin-hoisted'))
  const marker = join(app.folder, 'executed-by-doctor')
  const command = join('node_modules', '.bin', 'quire')
  const { frameworks } = JSON.parse(succeeded(await app.run([command, 'doctor', '--json'], { EXECUTED: marker }))) as {
    frameworks: { name: string }[]
  }
  t.deepEqual(
    frameworks.map(({ name }) => name),
    ['commonjs', 'javascript', 'candle'],
  )
  t.is(await readFile(marker, 'utf8'), 'commonjs ')
  const refused = await app.run([command, 'generate', '--framework', 'hoisted', '--prompt', 'x'], { EXECUTED: marker })
  t.is(refused.code, 1)
  t.regex(refused.stderr, /No framework named 'hoisted' is installed\. Known here: commonjs, javascript, candle\./)
})

test.serial('npm: QUIRE_FRAMEWORK and QUIRE_PLUGINS have their say', async t => {
  const app = await npmApp()
  const name = `import { framework, useFramework } from 'quire-llm'
    await (async used => { console.log(framework.name); await used.close() })(await useFramework())`
  await app.write({ 'name.mjs': name })
  const chosen = async (env: Record<string, string>) =>
    succeeded(await app.run([process.execPath, 'name.mjs'], env)).trim()
  t.is(await chosen({}), 'javascript')
  t.is(await chosen({ QUIRE_FRAMEWORK: 'candle' }), 'candle')
  t.is(await chosen({ QUIRE_PLUGINS: 'none' }), 'candle')
  t.is(await chosen({ QUIRE_PLUGINS: 'quire-plugin-commonjs' }), 'commonjs')
})

test.serial('npm: another contract version is refused with both versions, before its code runs', async t => {
  const app = await npmApp()
  const marker = join(app.folder, 'executed-by-future')
  await app.write({
    'future/package.json': { name: 'future-app', type: 'module', dependencies: { 'quire-plugin-future': '*' } },
    'future/program.mjs': esmProgram,
  })
  const future = new InstalledApp(join(app.folder, 'future'))
  const { code, stderr } = await future.run([process.execPath, 'program.mjs'], { EXECUTED: marker })
  t.is(code, 1)
  t.regex(stderr, /ERR_PLUGIN/)
  t.regex(stderr, /from quire-plugin-future was written for contract version 2; this Quire has version 1/)
  t.false(existsSync(marker))
  const without = await future.run([process.execPath, 'program.mjs'], { QUIRE_FRAMEWORK: 'candle' })
  t.regex(without.stderr, /No framework named 'commonjs'/, 'where another is asked for, the model runs')
})

const bundledProgram = (register: string) => `${register}
import { framework, useFramework } from 'quire-llm'
try {
  const used = await useFramework()
  console.log(framework.name, framework.zeros([4]).shape)
  await used.close()
} catch (error) {
  console.log(error.code, error.message)
}
`

const bundles: readonly [string, string, readonly string[], readonly string[], RegExp][] = [
  ['all in one file', "import 'quire-plugin-bundled/register'", [], [], /^bundled \[ 4 \]\n$/],
  [
    'all in one file, without register',
    '',
    [],
    [],
    /^ERR_NO_FRAMEWORK No framework available for Quire.*\n.*In a bundle, `import '@quire-llm\/candle-cpu\/register'`/,
  ],
  [
    'Quire beside the file',
    "import 'quire-plugin-bundled/register'",
    ['quire-llm', 'quire-llm/plugin'],
    ['quire-llm'],
    /^bundled \[ 4 \]\n$/,
  ],
  [
    'the plugin beside the file',
    "import 'quire-plugin-bundled/register'",
    ['quire-plugin-bundled/register'],
    ['quire-plugin-bundled', 'quire-llm'],
    /^bundled \[ 4 \]\n$/,
  ],
  [
    'the embedded default beside the file',
    "import '@quire-llm/candle-cpu/register'",
    ['quire-llm', '@quire-llm/candle-cpu/register'],
    ['quire-llm', '@quire-llm/candle-cpu'],
    /^candle \[ 4 \]\n$/,
  ],
]

for (const [title, register, external, beside, expected] of bundles) {
  test.serial(`bundled: ${title}`, async t => {
    const app = await npmApp()
    const deployed = await (await workplace).emptyApp(`deployed-${bundles.findIndex(([each]) => each === title)}`)
    await app.write({ 'bundled.mjs': bundledProgram(register) })
    await build({
      entryPoints: [join(app.folder, 'bundled.mjs')],
      outfile: join(deployed.folder, 'bundle.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: [...external],
      logLevel: 'silent',
    })
    for (const name of beside) {
      const link = join(deployed.folder, 'node_modules', name)
      await mkdir(join(link, '..'), { recursive: true })
      await symlink(join(app.folder, 'node_modules', name), link, 'dir')
    }
    t.regex(succeeded(await deployed.run([process.execPath, 'bundle.mjs'])), expected)
  })
}
