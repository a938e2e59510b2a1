// Web pages that bundlers made of `quire-llm/web`, opened in a browser: the Worker's script and the module come along. Without the package
// of the module pages can still be made, and say what to install when they load a model.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { LLM } from 'quire-llm'
import { LLM as PageLLM } from 'quire-llm/web'
import { cachedPackages } from '../apps/cached-packages.js'
import { InstalledApp } from '../apps/installed-app.js'
import { unpackTarballs } from '../apps/own-tarballs.js'
import { isDefault } from '../apps/plugin-packages.js'
import { succeeded } from '../apps/run-program.js'
import { BUNDLERS } from '../packages/bundlers.js'
import { QuireSite, whyNoPage } from '../web/quire-page.js'
import { pageBundlers, pageHtml } from './page-bundlers.js'

const bundlers = await cachedPackages('package-checks', BUNDLERS)
const why = typeof bundlers === 'string' ? whyNoPage() : bundlers.reason

const folder = await mkdtemp(join(tmpdir(), 'quire-web-bundles-'))
test.after.always('the folder is removed', () => rm(folder, { recursive: true, force: true }))

const PROMPT = 'Once upon a time'
const MODULE = '@quire-llm/wasm'

const program = (assets: string | undefined) => `
import { LLM } from 'quire-llm/web'
async function generate() {
  const llm = await LLM.create({ model: '/model/', storage: 'none', numBlocks: 64${assets === undefined ? '' : `, assets: ${assets}`} })
  const { outputs: [output] } = await llm.generate(${JSON.stringify(PROMPT)}, { temperature: 0, maxTokens: 8 })
  await llm.close()
  return output.text
}
generate().catch(error => \`\${error.name} \${error.code}: \${error.message}\`).then(text => { globalThis.text = text; console.log(text) })
`

const missing =
  /^NativeBindingError ERR_NATIVE_BINDING: The package @quire-llm\/wasm, .*`npm install @quire-llm\/wasm@\d+\.\d+\.\d+`/

/** An app of its own: the page's sources, and what of Quire is installed. */
const makeApp = (name: string, isInstalled: (name: string) => boolean) => {
  const made = (async () => {
    const app = join(folder, name)
    await mkdir(app, { recursive: true })
    await unpackTarballs(app, isInstalled)
    await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'app', type: 'module', private: true }))
    await writeFile(join(app, 'index.html'), pageHtml('./main.js'))
    return app
  })()
  made.catch(() => {}) // told by the first test that awaits it
  return made
}

const whole = why === undefined ? makeApp('whole', name => isDefault(name) || name === MODULE) : undefined
const lacking = makeApp('lacking', isDefault)

for (const [name, { bundle, assets }] of Object.entries(pageBundlers)) {
  if (why !== undefined || whole === undefined || typeof bundlers !== 'string') {
    test.skip(`${name}: a page (${why})`, () => {})
    continue
  }

  /** What a page of this bundler has generated, or the error that it got; and the errors of its console. */
  const shown = async (source: string) => {
    await writeFile(join(source, 'main.js'), program(assets))
    const output = join(source, `site-${name}`)
    await mkdir(output)
    await bundle(bundlers, source, output)
    const site = await QuireSite.open({ site: output })
    try {
      const { page, errors } = await site.visit('site/index.html')
      await page.waitForFunction('globalThis.text !== undefined', undefined, { timeout: 240_000 })
      return { text: await page.evaluate('globalThis.text'), errors: [...errors] }
    } finally {
      await site.close()
    }
  }

  test.serial(`${name}: a page`, async t => {
    await using llm = await LLM.create({ numBlocks: 64, threads: 1 })
    const expected = (await llm.generate(PROMPT, { temperature: 0, maxTokens: 8 })).outputs[0]?.text
    t.deepEqual(await shown(await whole), { text: expected, errors: [] })
  })

  test.serial(`${name}: a page without ${MODULE}`, async t => {
    const { text } = await shown(await lacking)
    t.regex(String(text), missing)
  })
}

test.serial(`Node.js: quire-llm/web is imported without ${MODULE}, and says what to install`, async t => {
  const app = new InstalledApp(await lacking)
  await app.write({ 'program.mjs': program(undefined) })
  t.regex(succeeded(await app.run([process.execPath, 'program.mjs'])), missing)
})

test('Node.js: quire-llm/web says that this is no page', async t => {
  await t.throwsAsync(PageLLM.create({ model: 'https://example.org/' }), { code: 'ERR_NOT_SUPPORTED' })
})
