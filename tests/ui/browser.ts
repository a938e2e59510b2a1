// A browser for tests of the chat page: Chromium as the machine has it, without a window. What a page logs, asks for and
// fails at is kept, for tests to look at.

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** Where Chromium is: `QUIRE_CHROMIUM`, else on the PATH. */
export function findChromium(environment: NodeJS.ProcessEnv): string | undefined {
  return environment.QUIRE_CHROMIUM || findProgram(NAMES, environment)
}

/** The first of some programs that is on the PATH: by name first, then by folder. */
export function findProgram(names: readonly string[], { PATH: path = '' }: NodeJS.ProcessEnv): string | undefined {
  const folders = path.split(delimiter).filter(folder => folder !== '')
  return names.flatMap(name => folders.map(folder => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export interface VisitOptions {
  readonly colorScheme?: 'light' | 'dark'
  readonly viewport?: { readonly width: number; readonly height: number }
}

/** A page, and what happened on it. */
export interface Visit {
  readonly page: Page
  /** Errors of scripts, of the policy and of loading. */
  readonly errors: string[]
  /** Addresses that were asked for. */
  readonly requests: string[]
  /** Those that came to no end. */
  readonly failures: string[]
}

export class TestBrowser {
  readonly #browser: Browser

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  static async launch(executablePath: string): Promise<TestBrowser> {
    return new TestBrowser(await chromium.launch({ executablePath }))
  }

  /** A fresh profile on `url`, open until the returned page's context is closed. */
  async visit(url: string, { colorScheme = 'light', viewport }: VisitOptions = {}): Promise<Visit> {
    const context = await this.#browser.newContext({
      colorScheme,
      viewport: { ...(viewport ?? { width: 1280, height: 800 }) },
    })
    const page = await context.newPage()
    page.setDefaultTimeout(120_000)
    const visit: Visit = { page, errors: [], requests: [], failures: [] }
    page.on('console', message => {
      if (message.type() === 'error') visit.errors.push(message.text())
    })
    page.on('pageerror', error => visit.errors.push(String(error)))
    page.on('requestfailed', request => visit.failures.push(request.url()))
    page.on('request', request => visit.requests.push(request.url()))
    await page.goto(url)
    return visit
  }

  close(): Promise<void> {
    return this.#browser.close()
  }
}
