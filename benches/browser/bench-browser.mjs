// Headless Chromium for one page of the bench: a browser of its own, so that its memory is the page's.

import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** `QUIRE_CHROMIUM`, else what is on the PATH. */
export function findChromium() {
  const { QUIRE_CHROMIUM: named, PATH: path = '' } = process.env
  return (
    named ||
    path
      .split(delimiter)
      .flatMap(folder => NAMES.map(name => join(folder, name)))
      .find(existsSync)
  )
}

/**
 * Runs one peer's page to its end.
 * @returns what `measure` of page/workload.js gives, with `peak_mb`: the most memory that the page's process had, on Linux.
 */
export async function runPage({ executablePath, siteUrl, page: script, options, timeoutMs }) {
  const browser = await chromium.launch({ executablePath })
  try {
    const page = await browser.newPage()
    page.setDefaultTimeout(timeoutMs)
    await page.goto(`${siteUrl}page/index.html`)
    const figures = await page.evaluate(
      async ({ script, options }) => {
        if (!crossOriginIsolated) throw new Error('the page is not cross-origin isolated')
        const [{ measure }, { load }] = [await import('./workload.js'), await import(`./${script}`)]
        return measure(() => load(options), options)
      },
      { script, options },
    )
    return { ...figures, peak_mb: await peakOf(browser) }
  } finally {
    await browser.close()
  }
}

/** The most memory of the largest renderer, in megabytes. */
async function peakOf(browser) {
  const session = await browser.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  const peaks = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => peakOfProcess(id))
  return Math.max(...peaks)
}

function peakOfProcess(id) {
  const path = `/proc/${id}/status`
  const kilobytes = existsSync(path) ? /VmHWM:\s+(\d+) kB/.exec(readFileSync(path, 'utf8'))?.[1] : undefined
  return Number(kilobytes ?? Number.NaN) / 1000
}
