// The programs of docs/browser.md on a page, as they stand: a small model is where they look for one on the hub.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest from 'ava'
import { transformSync } from 'esbuild'
import type { Page } from 'playwright-core'
import { bundledModelDirectory } from '../../ts/dist/config/node.js'
import { blocksOf, readGuide } from '../docs/guide-blocks.js'
import { QuireSite, whyNoPage } from './quire-page.js'

const why = whyNoPage()
const run = why === undefined ? anyTest : anyTest.skip

const HUB = 'https://huggingface.co'
const programs = blocksOf(readGuide('browser.md')).filter(({ language }) => language === 'ts')

/** Answers what is asked of the hub with the files of the bundled model. */
async function standInHub(page: Page): Promise<void> {
  await page.route(`${HUB}/**`, route => {
    const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' }
    const [, name] = /\/resolve\/[^/]+\/(.+)$/.exec(new URL(route.request().url()).pathname) ?? []
    try {
      const body = readFileSync(join(bundledModelDirectory(), name ?? ''))
      const isHead = route.request().method() === 'HEAD'
      return route.fulfill({
        status: 200,
        headers: { ...headers, 'content-length': String(body.length) },
        ...(!isHead && { body }),
      })
    } catch {
      return route.fulfill({ status: 404, headers })
    }
  })
}

run(why === undefined ? 'the programs of the guide run on a page' : `the programs of the guide (${why})`, async t => {
  t.deepEqual(
    programs.map(({ name }) => name),
    ['page.ts', 'downloads.ts'],
  )
  const site = await QuireSite.open()
  t.teardown(() => site.close())
  const { page, visit } = await site.page()
  await standInHub(page)
  const printed: string[] = []
  page.on('console', message => printed.push(message.text()))
  for (const { name, text } of programs) {
    const { code } = transformSync(text.replace("'quire-llm/web'", `'${site.url}quire/dist/web/bundle/quire.js'`), {
      loader: 'ts',
    })
    const before = printed.length
    await page.evaluate(
      `import(URL.createObjectURL(new Blob([${JSON.stringify(code)}], { type: 'text/javascript' }))).then(() => {})`,
    )
    t.true(printed.length > before, `${name} prints something`)
  }
  t.regex(printed.join('\n'), /^\d+ of \d+ bytes$/m)
  t.regex(printed.join('\n'), /^https:\/\/huggingface\.co\/HuggingFaceTB\/SmolLM2-135M-Instruct\/\S* \d+$/m)
  t.deepEqual(
    visit.errors.filter(error => !/^Failed to load resource/.test(error)),
    [],
  )
})
