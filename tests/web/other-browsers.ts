// Firefox and WebKit as the machine has them: Firefox by puppeteer over WebDriver BiDi, WebKit by the WebDriver of WebKitGTK, which needs a
// display, and so Xvfb.

import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cachedPackages } from '../apps/cached-packages.js'
import { findChromium, findProgram, TestBrowser } from '../ui/browser.js'

/** One page of a browser. */
export interface OtherPage {
  /** Runs an async function body with `given` in scope; its result must be JSON. */
  run<T>(body: string, given: unknown): Promise<T>
  close(): Promise<void>
}

export interface OtherBrowser {
  readonly name: string
  /** Fuses multiplications and additions in WebAssembly, so that numbers are those of native kernels to the last bit. */
  readonly fuses: boolean
  /** Has the file system of the origin. */
  readonly hasStorage: boolean
  /** Opens a page, or says why there is none here. */
  open(url: string): Promise<OtherPage>
  readonly why: string | undefined
}

const TIMEOUT_MS = 120_000

/** What a page evaluates, and says: the value, or the error as text. */
const programOf = (body: string, given: unknown) =>
  `(async given => { try { return JSON.stringify({ value: await (async () => { ${body} })() }) } catch (error) { return JSON.stringify({ error: String(error) }) } })(${JSON.stringify(given)})`

function valueIn<T>(said: string): T {
  const { value, error } = JSON.parse(said) as { value: T; error?: string }
  if (error !== undefined) throw new Error(error)
  return value
}

const chromium: OtherBrowser = {
  name: 'Chromium',
  fuses: true,
  hasStorage: true,
  why: findChromium(process.env) === undefined ? 'there is no Chromium on the PATH' : undefined,
  async open(url) {
    const browser = await TestBrowser.launch(findChromium(process.env) as string)
    const { page } = await browser.visit(url)
    return {
      run: async (body, given) => valueIn(await page.evaluate<string>(programOf(body, given))),
      close: () => browser.close(),
    }
  },
}

interface Puppeteer {
  launch(options: object): Promise<{
    newPage(): Promise<{ goto(url: string): Promise<unknown>; evaluate(program: string): Promise<unknown> }>
    close(): Promise<void>
  }>
}

async function firefox(): Promise<OtherBrowser> {
  const executablePath = process.env.QUIRE_FIREFOX || findProgram(['firefox-esr', 'firefox'], process.env)
  const driver =
    executablePath === undefined
      ? { reason: 'there is no Firefox: set QUIRE_FIREFOX, or put one on the PATH' }
      : await cachedPackages('browser-drivers', { dependencies: { 'puppeteer-core': '24.43.1' } })
  return {
    name: 'Firefox',
    fuses: true,
    hasStorage: true,
    why: typeof driver === 'string' ? undefined : driver.reason,
    async open(url) {
      const path = createRequire(join(driver as string, 'package.json')).resolve('puppeteer-core')
      const { default: puppeteer } = (await import(pathToFileURL(path).href)) as { default: Puppeteer }
      const browser = await puppeteer.launch({
        browser: 'firefox',
        executablePath,
        headless: true,
        timeout: TIMEOUT_MS,
        protocolTimeout: TIMEOUT_MS,
      })
      const page = await browser.newPage()
      await page.goto(url)
      return {
        run: async (body, given) => valueIn((await page.evaluate(programOf(body, given))) as string),
        close: () => browser.close(),
      }
    },
  }
}

/** Relaxed SIMD is off in it, and so is the file system of the origin. */
const webkit: OtherBrowser = {
  name: 'WebKit',
  fuses: false,
  hasStorage: false,
  why: ['WebKitWebDriver', 'xvfb-run'].some(name => findProgram([name], process.env) === undefined)
    ? 'there is no WebKitWebDriver, or no xvfb-run, on the PATH'
    : undefined,
  async open(url) {
    const port = await freePort()
    const child = spawn('xvfb-run', ['-a', 'WebKitWebDriver', `--port=${port}`], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, WEBKIT_DISABLE_DMABUF_RENDERER: '1' },
    })
    const call = async (path: string, body?: object, method = body === undefined ? 'DELETE' : 'POST') => {
      const init = { method, ...(body !== undefined && { body: JSON.stringify(body) }) }
      const response = await fetch(`http://127.0.0.1:${port}/session${path}`, init)
      const { value } = (await response.json()) as { value: unknown }
      if (!response.ok) throw new Error(JSON.stringify(value))
      return value
    }
    try {
      await listening(port, child)
      const options = { 'webkitgtk:browserOptions': { args: ['--automation'] } }
      const { sessionId } = (await call('', { capabilities: { alwaysMatch: options } })) as { sessionId: string }
      await call(`/${sessionId}/timeouts`, { script: TIMEOUT_MS })
      await call(`/${sessionId}/url`, { url })
      return {
        run: async (body, given) => {
          const script = `${programOf(body, given)}.then(arguments[0])`
          return valueIn((await call(`/${sessionId}/execute/async`, { script, args: [] })) as string)
        },
        async close() {
          await call(`/${sessionId}`).catch(() => {}) // its processes end below
          end(child)
        },
      }
    } catch (error) {
      end(child)
      throw error
    }
  },
}

/** With the display that it started. */
function end({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid)
  } catch {
    // it has ended
  }
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (const startedAt = Date.now(); Date.now() - startedAt < TIMEOUT_MS; ) {
    if (child.exitCode !== null) throw new Error(`WebKitWebDriver ended with code ${child.exitCode}`)
    const response = await fetch(`http://127.0.0.1:${port}/status`).catch(() => undefined)
    if (response?.ok) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error('WebKitWebDriver does not answer')
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

export const browsers: readonly OtherBrowser[] = [chromium, await firefox(), webkit]
