// A page of a real browser with `quire-llm/web` on it, served as any static host would.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { bundledModelDirectory } from '../../ts/dist/config/node.js'
import { findChromium, TestBrowser, type Visit } from '../ui/browser.js'
import { StaticServer } from './static-server.js'

const packageFolder = fileURLToPath(new URL('../../ts', import.meta.url))

/** Why there can be no such page here; undefined = there can. */
export function whyNoPage(): string | undefined {
  if (findChromium(process.env) === undefined) return 'there is no Chromium: set QUIRE_CHROMIUM, or put one on the PATH'
  if (!existsSync(join(packageFolder, 'wasm', 'relaxed', 'quire_bg.wasm')))
    return 'there is no WebAssembly module: npm run build:wasm'
  return undefined
}

export interface QuirePage {
  readonly page: Page
  readonly visit: Visit
  /** Runs an async function body in the page, with `quire` (the module) and `given` in scope. */
  run<T>(body: string, given?: unknown): Promise<T>
  close(): Promise<void>
}

/** A browser and a server of the package's files, of the bundled model (`/model/`), and of further folders. */
export class QuireSite {
  readonly server: StaticServer
  readonly #browser: TestBrowser
  readonly #folder: string

  private constructor(server: StaticServer, browser: TestBrowser, folder: string) {
    this.server = server
    this.#browser = browser
    this.#folder = folder
  }

  static async open(folders: Readonly<Record<string, string>> = {}): Promise<QuireSite> {
    const folder = mkdtempSync(join(tmpdir(), 'quire-page-'))
    writeFileSync(join(folder, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><title>quire</title>')
    const server = await StaticServer.start({
      page: folder,
      quire: packageFolder,
      model: bundledModelDirectory(),
      ...folders,
    })
    return new QuireSite(server, await TestBrowser.launch(findChromium(process.env) as string), folder)
  }

  get url(): string {
    return this.server.url
  }

  visit(path: string, options: Parameters<TestBrowser['visit']>[1] = {}): Promise<Visit> {
    return this.#browser.visit(new URL(path, this.url).href, options)
  }

  /** A blank page with the module. */
  async page(): Promise<QuirePage> {
    const visit = await this.visit('page/index.html')
    const { page } = visit
    page.setDefaultTimeout(240_000)
    await page.evaluate(`import('/quire/dist/web/bundle/quire.js').then(module => { globalThis.quire = module })`)
    return {
      page,
      visit,
      run: (body, given) =>
        page
          .evaluate(`(async given => {
          try {
            return { value: await (async () => { ${body} })() }
          } catch (error) {
            return { error: String(error?.stack ?? error) }
          }
        })(${JSON.stringify(given ?? null)})`)
          .then(result => {
            const { value, error } = result as { value: never; error?: string }
            if (error !== undefined) throw new Error(error)
            return value
          }),
      close: () => page.context().close(),
    }
  }

  async close(): Promise<void> {
    await this.#browser.close()
    await this.server.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
