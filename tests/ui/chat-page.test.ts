// The chat page in a real browser, on a real server over the bundled model.

import anyTest, { type ExecutionContext } from 'ava'
import type { Page, Route } from 'playwright-core'
import { allFree, type ListeningServer, listen } from '../openai/test-server.js'
import { until } from '../server/served-engine.js'
import { findChromium, TestBrowser, type Visit, type VisitOptions } from './browser.js'

const chromium = findChromium(process.env)
const why = chromium === undefined ? ' (there is no Chromium: set QUIRE_CHROMIUM, or put one on the PATH)' : ''
const run = chromium === undefined ? anyTest.skip : anyTest.serial

let browser: TestBrowser
let server: ListeningServer
if (chromium !== undefined) {
  anyTest.before(async () => {
    browser = await TestBrowser.launch(chromium)
    server = await listen()
  })
  anyTest.after.always(async () => {
    await browser?.close()
    await server?.close()
  })
}

/** Of a resource that the server refuses, as a test wants it to. */
const REFUSED = /^Failed to load resource/

interface PageOptions extends VisitOptions {
  readonly on?: ListeningServer
  readonly path?: string
  /** Refusals are part of the test. */
  readonly refusals?: boolean
}

function test(title: string, body: (t: ExecutionContext, visit: Visit) => Promise<void>, options: PageOptions = {}) {
  run(title + why, async t => {
    const root = new URL(options.path ?? '/', server.baseUrl)
    const visit = await browser.visit(root.href, options)
    try {
      await body(t, visit)
      t.deepEqual(
        visit.errors.filter(error => options.refusals !== true || !REFUSED.test(error)),
        [],
      )
      t.deepEqual([...new Set(visit.requests.map(url => new URL(url).origin))], [root.origin])
    } finally {
      await visit.page.context().close()
    }
  })
}

async function send(page: Page, question: string): Promise<void> {
  await page.fill('#message', question)
  await page.press('#message', 'Enter')
}

/** The text of the answer when it has come. */
async function answered(page: Page): Promise<string> {
  await page.waitForSelector('.answer:last-child [data-action="regenerate"]')
  return (await page.textContent('.answer:last-child > .text')) ?? ''
}

async function ask(page: Page, question: string): Promise<string> {
  await send(page, question)
  return answered(page)
}

/** Replies to chats with these events in place of the server. */
async function script(page: Page, events: readonly unknown[], end = 'data: [DONE]\n\n'): Promise<void> {
  const body = events.map(event => `data: ${JSON.stringify(event)}\n\n`).join('') + end
  await page.route('**/v1/chat/completions', route => route.fulfill({ contentType: 'text/event-stream', body }))
}

/** Lets the engine make a little of an answer, and stops it before the answer ends. */
async function makeSome(): Promise<void> {
  const before = server.engine.stats().numGeneratedTokens
  server.engine.resume()
  await until('some tokens', () => server.engine.stats().numGeneratedTokens > before + 4 * CHOICES)
  await server.engine.pause('keep')
}

const CHOICES = 64

/** Asks the server for more choices than the page shows: it takes its time. */
function withChoices(n: number, fields: object = {}) {
  return (route: Route) =>
    route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), ...fields, n }) })
}

/** Has the server answer until it is told otherwise, however long a page takes to look. */
async function keepBusy(signal: AbortSignal): Promise<void> {
  const body = JSON.stringify({ prompt: 'Once upon a time', n: CHOICES, max_tokens: 400, ignore_eos: true })
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal }
  while (!signal.aborted) {
    await fetch(`${server.baseUrl}/completions`, init)
      .then(response => response.text())
      .catch(() => {})
  }
}

function chunk(delta: object, tokens?: readonly object[], finish: string | null = null): object {
  const logprobs = tokens === undefined ? null : { content: tokens }
  return { choices: [{ index: 0, delta, logprobs, finish_reason: finish }] }
}

function token(text: string, probability = 0.5, others: readonly object[] = []): object {
  return { token: text, logprob: Math.log(probability), bytes: [...Buffer.from(text)], top_logprobs: others }
}

test('an answer streams into the page, and the conversation goes on', async (t, { page, failures }) => {
  // What is on the page while the answer is not complete.
  await page.evaluate(`
    globalThis.lengths = []
    new MutationObserver(() => {
      const answer = document.querySelector('.answer[aria-busy] > .text')
      if (answer !== null) lengths.push(answer.textContent.length)
    }).observe(document.getElementById('transcript'), { childList: true, subtree: true })
  `)
  await page.route('**/v1/chat/completions', withChoices(CHOICES, { ignore_eos: true, max_tokens: 200 }))
  await send(page, 'Tell me a short story.')
  const shown = async () => (await page.evaluate<number[]>('lengths')).filter(length => length > 0)
  for (let count = 1; count <= 4; count += 1) {
    await makeSome()
    while (new Set(await shown()).size < count) await page.waitForTimeout(20)
  }
  server.engine.resume()
  const story = await answered(page)
  await page.unroute('**/v1/chat/completions')
  t.true(story.length > 40, story)
  const lengths = await shown()
  t.true(new Set(lengths.filter(length => length < story.length)).size > 3, lengths.join())
  t.regex((await page.textContent('.answer .facts')) ?? '', /^\d+ tokens · [\d,]+ tokens\/s · first after [\d,]+ ms/)

  const next = page.waitForRequest('**/v1/chat/completions')
  await send(page, 'What is the capital of France?')
  t.deepEqual((await next).postDataJSON().messages, [
    { role: 'user', content: 'Tell me a short story.' },
    { role: 'assistant', content: story },
    { role: 'user', content: 'What is the capital of France?' },
  ])
  await answered(page)
  t.is(await page.locator('.answer').count(), 2)
  t.deepEqual(failures, [])
  t.is(await page.locator('[data-action="regenerate"]').count(), 1)
})

test('Stop ends the request in the engine', async (t, { page }) => {
  await page.route('**/v1/chat/completions', withChoices(CHOICES, { ignore_eos: true }))
  for (const how of ['click', 'Escape']) {
    await send(page, 'Tell me a short story.')
    await makeSome()
    await page.locator('.answer:last-child > .text', { hasText: /./ }).waitFor()
    t.true(server.engine.stats().numRunning > 0)
    t.false(await page.isVisible('#send'))
    if (how === 'click') await page.click('#stop')
    else await page.keyboard.press('Escape')
    t.not(await answered(page), '')
    t.is(await page.textContent('.answer:last-child .facts').then(text => text?.split(' · ').at(-1)), 'stopped')
    t.true(await allFree(server.engine))
    t.true(await page.isVisible('#send'))
    server.engine.resume()
  }
})

test('Regenerate asks again, Clear begins anew', async (t, { page }) => {
  await page.fill('#temperature', '0')
  const first = await ask(page, 'What is the capital of France?')
  const again = page.waitForRequest('**/v1/chat/completions')
  await page.click('[data-action="regenerate"]')
  t.deepEqual((await again).postDataJSON().messages, [{ role: 'user', content: 'What is the capital of France?' }])
  t.is(await answered(page), first)
  t.is(await page.locator('.answer').count(), 1)
  await page.click('#clear')
  t.is(await page.textContent('#transcript'), '')
  const anew = page.waitForRequest('**/v1/chat/completions')
  await send(page, 'Hello')
  t.deepEqual((await anew).postDataJSON().messages, [{ role: 'user', content: 'Hello' }])
  await answered(page)
})

test('parameters reach the request; empty ones do not', async (t, { page }) => {
  const bare = page.waitForRequest('**/v1/chat/completions')
  await send(page, 'Hello')
  t.deepEqual((await bare).postDataJSON(), {
    model: 'quire',
    messages: [{ role: 'user', content: 'Hello' }],
    stream: true,
    stream_options: { include_usage: true },
    logprobs: true,
    top_logprobs: 5,
  })
  await answered(page)
  await page.click('#clear')
  await page.fill('#system', 'Be brief.')
  const fields = { temperature: '0.7', 'top-p': '0.9', 'max-tokens': '5', seed: '-42' }
  for (const [id, value] of Object.entries(fields)) await page.fill(`#${id}`, value)
  await page.selectOption('#probabilities', 'off')
  const full = page.waitForRequest('**/v1/chat/completions')
  await send(page, 'Tell me a short story.')
  t.deepEqual((await full).postDataJSON(), {
    model: 'quire',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Tell me a short story.' },
    ],
    stream: true,
    stream_options: { include_usage: true },
    temperature: 0.7,
    top_p: 0.9,
    max_tokens: 5,
    seed: -42,
  })
  t.not(await answered(page), '')
  t.regex((await page.textContent('.answer .facts')) ?? '', /^5 tokens · .*cut at the token limit$/)
  t.is(await page.locator('.token').count(), 0)
})

test('a number that cannot be is not sent', async (t, { page, requests }) => {
  await page.fill('#top-p', '1.5')
  await page.click('#settings-toggle')
  t.false(await page.isVisible('#settings'))
  await send(page, 'Hello')
  t.true(await page.isVisible('#settings'))
  t.is(await page.locator('#top-p:invalid:focus').count(), 1)
  t.is(await page.inputValue('#message'), 'Hello')
  t.false(requests.some(url => url.endsWith('/v1/chat/completions')))
})

test('probabilities are shown for the token under the pointer, and by the arrow keys', async (t, { page }) => {
  await page.fill('#temperature', '0')
  const answer = await ask(page, 'What is the capital of France?')
  const tokens = await page.locator('.answer .token').allTextContents()
  t.is(tokens.join(''), answer)
  t.true(tokens.length > 3)
  t.false(await page.isVisible('#inspector'))
  await page.locator('.answer .token').nth(2).hover()
  const card = page.locator('#inspector')
  await card.waitFor({ state: 'visible' })
  const shown = (text: string | undefined) => text?.replaceAll(' ', '␣').replaceAll('\n', '↵')
  t.is(await card.locator('.inspector-head code').textContent(), shown(tokens[2]) ?? null)
  t.regex((await card.locator('.inspector-head strong').textContent()) ?? '', /^[\d.]+%$/)
  // Greedy: the chosen one is the likeliest of the five, and shares fall.
  t.is(await card.locator('li').count(), 5)
  t.is(await card.locator('li').first().getAttribute('class'), 'chosen')
  const shares = (await card.locator('.share').allTextContents()).map(text => Number.parseFloat(text))
  t.deepEqual(
    shares,
    shares.toSorted((a, b) => b - a),
  )
  t.true(shares.reduce((sum, share) => sum + share, 0) <= 100.5)
  await page.hover('#send')
  await card.waitFor({ state: 'hidden' })

  await page.focus('.answer > .text')
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowLeft']) await page.keyboard.press(key)
  t.is(await card.locator('.inspector-head code').textContent(), shown(tokens[0]) ?? null)
  t.regex((await page.textContent('#status')) ?? '', /, [\d.]+%$/)
  await page.keyboard.press('Escape')
  t.false(await card.isVisible())
})

test('the metrics are live', async (t, { page }) => {
  await page.locator('#metric-rate', { hasText: /^0$/ }).waitFor()
  t.deepEqual(await page.locator('#metrics dd').allTextContents(), ['0', '0', '0%', '0'])
  const stop = new AbortController()
  const busy = keepBusy(stop.signal)
  for (const name of ['running', 'kv', 'rate']) {
    await page.locator(`#metric-${name}`, { hasText: /[1-9]/ }).waitFor()
  }
  stop.abort()
  await busy
  await page.locator('#metric-running', { hasText: /^0$/ }).waitFor()
  t.true(await allFree(server.engine))
})

test(
  'what the server refuses is told in its words, and can be tried again',
  async (t, { page }) => {
    await page.fill('#max-tokens', '100000')
    await ask(page, 'Hello')
    t.regex((await page.textContent('.answer .error')) ?? '', /maximum context length is 512 tokens/)
    await page.fill('#max-tokens', '4')
    t.is(await page.textContent('[data-action="regenerate"]'), 'Try again')
    await page.click('[data-action="regenerate"]')
    t.not(await answered(page), '')
    t.false(await page.isVisible('.answer .error'))

    await script(page, [chunk({ content: 'half' })], '')
    await ask(page, 'Hello')
    t.is(await page.textContent('.answer:last-child .error'), 'The connection ended before the answer did.')
    await page.unroute('**/v1/chat/completions')
    await script(page, [chunk({ content: 'half' }), { error: { message: 'The engine died.', code: 500 } }])
    await ask(page, 'Hello')
    t.is(await page.textContent('.answer:last-child .error'), 'The engine died.')
    await page.unroute('**/v1/chat/completions')
    await page.route('**/v1/chat/completions', route => route.abort())
    await ask(page, 'Hello')
    t.is(await page.textContent('.answer:last-child .error'), 'The server cannot be reached.')
  },
  { refusals: true },
)

test('HTML stays text wherever it comes from', async (t, { page }) => {
  const html = '<img src=x onerror="document.title=1"><script>document.title=2</script><b>bold</b>'
  await script(page, [
    chunk({ role: 'assistant', content: '' }),
    chunk({ reasoning: html }, [token(html)]),
    chunk({ content: html }, [token(html, 0.9, [token(`${html}!`, 0.1)])]),
    chunk({ content: html }),
    { error: { message: html, code: 500 } },
  ])
  await ask(page, html)
  await page.locator('.answer > .text .token').hover()
  t.is(await page.textContent('.question-text'), html)
  t.is(await page.textContent('.answer > .text'), html + html)
  t.is(await page.textContent('.reasoning .text'), html)
  t.is(await page.textContent('.answer .error'), html)
  t.is(await page.locator('#inspector li').count(), 2)
  t.is(await page.locator('img, b, body script').count(), 0)
  t.is(await page.title(), 'Quire')
})

test('the policy keeps text from becoming HTML even for a mistake of ours', async (t, { page, errors }) => {
  const thrown = await page.evaluate<string>(`
    try {
      document.body.innerHTML = '<b>bold</b>'
      'nothing'
    } catch (error) {
      String(error)
    }
  `)
  t.regex(thrown, /TrustedHTML/)
  t.true(errors.splice(0).every(error => /TrustedHTML/.test(error)))
})

test('reasoning is folded, and tokens find their text past what parsers took away', async (t, { page }) => {
  const texts = ['<think>', '\nHmm', ', yes', '</think>', '\n\n', 'Ye', 's', ' 🙂', '.']
  await script(page, [
    chunk({ role: 'assistant', content: '' }),
    chunk(
      {},
      texts.slice(0, 1).map(text => token(text)),
    ),
    chunk({ reasoning: 'Hm' }, [token('\nHmm')]),
    chunk(
      { reasoning: 'm, yes', content: 'Ye' },
      texts.slice(2, 6).map(text => token(text)),
    ),
    chunk(
      { content: 's 🙂.' },
      texts.slice(6).map(text => token(text)),
      'stop',
    ),
    { choices: [], usage: { completion_tokens: 9 } },
  ])
  t.is(await ask(page, 'Is it?'), 'Yes 🙂.')
  t.deepEqual(await page.locator('.answer > .text .token').allTextContents(), ['Ye', 's', ' 🙂', '.'])
  t.deepEqual(await page.locator('.reasoning .token').allTextContents(), ['Hmm', ', yes'])
  t.false(await page.isVisible('.reasoning .text'))
  await page.click('.reasoning summary')
  t.true(await page.isVisible('.reasoning .text'))
})

run(`a server with keys asks for one${why}`, async t => {
  const guarded = await listen({ apiKeys: ['sesame'] })
  const { page } = await browser.visit(new URL('/', guarded.baseUrl).href)
  try {
    await page.waitForSelector('#key-form:not([hidden])')
    for (const key of ['wrong', 'sesame']) {
      const models = page.waitForResponse('**/v1/models')
      await page.fill('#key', key)
      await page.press('#key', 'Enter')
      t.is((await models).status(), key === 'sesame' ? 200 : 401)
    }
    await page.waitForSelector('#key-form', { state: 'hidden' })
    t.not(await ask(page, 'Hello'), '')
    await page.reload()
    await page.locator('#model option', { hasText: /^quire$/ }).waitFor({ state: 'attached' })
    t.is(await page.evaluate('JSON.stringify([sessionStorage.length, localStorage.length])'), '[1,0]')
    await page.click('#forget-key')
    await page.waitForSelector('#key-form:not([hidden])')
    t.is(await page.evaluate('sessionStorage.length'), 0)
  } finally {
    await page.context().close()
    await guarded.close()
  }
})

run(`below a root path, with and without the slash at its end${why}`, async t => {
  const below = await listen({ rootPath: '/llm' })
  try {
    for (const path of ['/llm', '/llm/']) {
      const { page, errors, requests } = await browser.visit(new URL(path, below.baseUrl).href)
      t.not(await ask(page, 'Hello'), '')
      t.true(requests.every(url => new URL(url).pathname.startsWith('/llm')))
      t.deepEqual(errors, [])
      await page.context().close()
    }
  } finally {
    await below.close()
  }
})

for (const colorScheme of ['light', 'dark'] as const) {
  test(
    `on a phone, ${colorScheme}: nothing is wider than the screen, and parameters open and close`,
    async (t, { page }) => {
      await ask(page, `Hello ${'x'.repeat(200)}`)
      t.is(await page.evaluate('document.documentElement.scrollWidth'), 360)
      t.false(await page.isVisible('#settings'))
      await page.click('#settings-toggle')
      t.is(await page.getAttribute('#settings-toggle', 'aria-expanded'), 'true')
      t.true(await page.isVisible('#temperature'))
      await page.keyboard.press('Escape')
      t.false(await page.isVisible('#settings'))
      const ground = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
      const [red = 0] = (ground.match(/\d+/g) ?? []).map(Number)
      t.is(red > 128, colorScheme === 'light', ground)
    },
    { colorScheme, viewport: { width: 360, height: 740 } },
  )
}
