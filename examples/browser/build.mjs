// Copies the page and what it loads of @quire-llm/wasm into `site/`, which any static host can serve. A folder with a model, named as
// an argument, is copied too and loaded by the page when it opens.
import { cp, mkdir, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const site = join(here, 'site')
const quire = dirname(fileURLToPath(import.meta.resolve('@quire-llm/wasm/package.json')))

await rm(site, { recursive: true, force: true })
await mkdir(site, { recursive: true })
await cp(join(here, 'page'), site, { recursive: true })
await cp(quire, join(site, 'quire'), { recursive: true })
const [model] = process.argv.slice(2)
if (model !== undefined) {
  const name = basename(resolve(model))
  await cp(model, join(site, 'models', name), { recursive: true, dereference: true })
  process.stdout.write(`The page's address with the model: index.html?model=models/${name}/\n`)
}
process.stdout.write(`The site is in ${site}: serve it with any static server.\n`)
