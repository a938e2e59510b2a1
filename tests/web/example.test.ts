// The page of examples/browser, built as its README says from the packed package, and served by a static server: it loads, chats, runs prompts side by
// side and makes an object.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import anyTest from 'ava'
import { bundledModelDirectory } from '../../ts/dist/config/node.js'
import { unpackTarballs } from '../apps/own-tarballs.js'
import { QuireSite, whyNoPage } from './quire-page.js'

const why = whyNoPage()
const test = why === undefined ? anyTest.serial : anyTest.skip
const example = fileURLToPath(new URL('../../examples/browser', import.meta.url))

test(`the page of examples/browser${why === undefined ? '' : ` (${why})`}`, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'quire-example-'))
  cpSync(example, folder, { recursive: true })
  await unpackTarballs(folder, name => name === '@quire-llm/wasm')
  execFileSync(process.execPath, [join(folder, 'build.mjs'), bundledModelDirectory()])
  const site = await QuireSite.open({ site: join(folder, 'site') })
  try {
    const { page, errors } = await site.visit('site/index.html?model=models/tiny-model/')
    page.setDefaultTimeout(120_000)
    await page.locator('#work:not([hidden])').waitFor()
    t.regex((await page.textContent('#model-facts')) ?? '', /LlamaForCausalLM/)

    await page.fill('#panel-chat textarea', 'What is the capital of France?')
    await page.press('#panel-chat textarea', 'Enter')
    await page.locator('#panel-chat .facts', { hasText: /^\d+ tokens · \d+ tokens\/s/ }).waitFor()
    await page.locator('#panel-chat button:has-text("Send"):visible').waitFor()
    t.truthy(await page.textContent('.answer .text'))

    await page.click('#tab-parallel')
    await page.fill('#parallel-tokens', '8')
    await page.click('#panel-parallel button:has-text("Run all")')
    await page.locator('.card[aria-busy="false"]').nth(7).waitFor()
    t.regex((await page.textContent('#panel-parallel .facts')) ?? '', /^8 prompts · 64 tokens/)

    await page.click('#tab-json')
    await page.click('#panel-json button:has-text("Generate")')
    await page.locator('#panel-json .facts', { hasText: /tokens in/ }).waitFor()
    const made = JSON.parse((await page.textContent('#panel-json .output')) ?? '')
    t.deepEqual(Object.keys(made), ['name', 'age', 'likes'])
    t.deepEqual(errors, [])
    await page.context().close()
  } finally {
    await site.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
