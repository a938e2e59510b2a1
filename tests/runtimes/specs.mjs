// What a program may do with Quire, one function each, run unchanged by every runtime. A value that a spec gives must be the
// same in all of them; what a spec throws is its failure.

import assert from 'node:assert/strict'
import { serve } from './serve-web.mjs'

const PROMPTS = ['Once upon a time', 'The quick brown fox', '<user> What is the capital of France?\n<assistant>']
const greedy = { temperature: 0, maxTokens: 16 }
/** So many tokens that nothing ends by itself while a test aborts it. */
const long = { temperature: 0, maxTokens: 400, ignoreEos: true }
const embedded = { framework: 'candle', numBlocks: 64, threads: 1 }

const idsOf = output => [...output.outputs[0].tokenIds]

/** Waits for what another thread does. */
async function until(condition) {
  for (const end = Date.now() + 60_000; !condition(); ) {
    assert.ok(Date.now() < end, `never came true: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

async function rejection(promise) {
  try {
    await promise
  } catch (error) {
    return error
  }
  return assert.fail('nothing was thrown')
}

async function using(resource, use) {
  try {
    return await use(resource)
  } finally {
    await resource.close()
  }
}

export const specs = {
  'imports its three entry points': async () => {
    const [main, server, plugin] = await Promise.all([
      import('quire-llm'),
      import('quire-llm/server'),
      import('quire-llm/plugin'),
    ])
    assert.equal(main.registerPlugin, plugin.registerPlugin)
    return [main, server, plugin].map(module => Object.keys(module).sort())
  },

  'LLM.generate: greedy tokens of many prompts, and drawn ones by their seed': async () => {
    const { LLM } = await import('quire-llm')
    return using(await LLM.create(embedded), async llm => {
      const outputs = await llm.generate(PROMPTS, greedy, { progress: false })
      const drawn = await llm.generate(PROMPTS[0], { temperature: 0.9, topP: 0.9, seed: 7, maxTokens: 16 })
      return [...outputs.map(idsOf), idsOf(drawn), drawn.outputs[0].text]
    })
  },

  'LLM.stream: deltas that join to the whole text': async () => {
    const { LLM } = await import('quire-llm')
    return using(await LLM.create(embedded), async llm => {
      const whole = await llm.generate(PROMPTS[0], greedy)
      let text = ''
      for await (const delta of llm.stream(PROMPTS[0], greedy)) text += delta.outputs[0].text
      assert.equal(text, whole.outputs[0].text)
      return text
    })
  },

  'Engine: the loop in a worker thread, requests side by side': async () => {
    const { Engine, SamplingParams } = await import('quire-llm')
    return using(await Engine.create(embedded), async engine => {
      assert.equal((await rejection((async () => engine.framework)())).code, 'ERR_NOT_SUPPORTED')
      const ids = await engine.encode(PROMPTS, true)
      const params = new SamplingParams(greedy)
      const streams = ids.map((promptTokenIds, at) => engine.add({ requestId: `${at}`, promptTokenIds, params }))
      return (await Promise.all(streams.map(stream => stream.final()))).map(idsOf)
    })
  },

  'abort: a signal ends a request with ERR_ABORTED, a left loop frees it': async () => {
    const { LLM } = await import('quire-llm')
    return using(await LLM.create(embedded), async llm => {
      const controller = new AbortController()
      const generating = rejection(llm.generate(PROMPTS[0], long, { signal: controller.signal }))
      await until(() => llm.stats().numRunning > 0)
      controller.abort()
      const { code, name } = await generating
      for await (const _ of llm.stream(PROMPTS[0], long)) break
      await until(() => llm.stats().numRunning === 0)
      assert.equal((await rejection(llm.generate('x', greedy, { signal: AbortSignal.abort() }))).code, code)
      return [code, name]
    })
  },

  'structured output: an object by its schema': async () => {
    const { LLM } = await import('quire-llm')
    return using(await LLM.create(embedded), async llm => {
      const properties = { name: { type: 'string', maxLength: 8 }, lives: { type: 'integer', minimum: 1, maximum: 9 } }
      const schema = { type: 'object', properties, required: ['name', 'lives'], additionalProperties: false }
      const { object } = await llm.generateObject('A cat: ', schema, { seed: 1, maxTokens: 100 })
      assert.deepEqual(Object.keys(object).sort(), ['lives', 'name'])
      assert.ok(object.lives >= 1 && object.lives <= 9)
      return object
    })
  },

  'embeddings: unit vectors of several texts': async () => {
    const { LLM } = await import('quire-llm')
    return using(await LLM.create(embedded), async llm => {
      const vectors = (await llm.embed(PROMPTS)).map(({ embedding }) => embedding)
      for (const vector of vectors) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5)
      return vectors.map(vector => [vector.length, ...Array.from(vector.subarray(0, 8), value => value.toFixed(6))])
    })
  },

  "plugins: the app's own is found, chosen, and runs the same model": async () => {
    const { framework, LLM, useFramework } = await import('quire-llm')
    const used = await useFramework()
    const found = framework.name
    await used.close()
    return using(await LLM.create({ numBlocks: 64 }), async llm => {
      assert.equal(llm.framework.name, found)
      return [found, ...(await llm.generate(PROMPTS, greedy, { progress: false })).map(idsOf)]
    })
  },

  'serves: the web handler behind a socket, whole, streamed, refused, left': async () => {
    const { Engine } = await import('quire-llm')
    const { createHandler } = await import('quire-llm/server')
    return using(await Engine.create(embedded), async engine => {
      const handler = createHandler(engine, { modelNames: ['tiny'] })
      return using(await serve(handler), async ({ url }) => {
        const post = (body, more) =>
          fetch(`${url}/v1/completions`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ model: 'tiny', prompt: PROMPTS[0], temperature: 0, max_tokens: 16, ...body }),
            ...more,
          })
        assert.equal((await fetch(`${url}/health`)).status, 200)
        const whole = await (await post({})).json()
        const events = (await (await post({ stream: true })).text()).split('\n\n').filter(Boolean)
        assert.equal(events.at(-1), 'data: [DONE]')
        const deltas = events.slice(0, -1).map(event => JSON.parse(event.slice('data: '.length)).choices[0].text)
        assert.equal(deltas.join(''), whole.choices[0].text)
        const refused = await post({ temperature: -1 })
        const { error } = await refused.json()
        const controller = new AbortController()
        const left = await post({ stream: true, max_tokens: 400, ignore_eos: true }, { signal: controller.signal })
        await left.body.getReader().read()
        controller.abort()
        await until(() => engine.numRequests === 0)
        return [whole.choices[0].text, whole.usage, refused.status, error.type, error.param]
      })
    })
  },

  'errors: typed, with stable codes, from this thread and from native code': async () => {
    const { Engine, EngineError, LLM, ModelError } = await import('quire-llm')
    const missing = await rejection(Engine.create({ ...embedded, model: './no-such-model' }))
    assert.ok(missing instanceof ModelError && missing instanceof EngineError)
    const nobody = await rejection(LLM.create({ framework: 'nobody' }))
    return using(await LLM.create(embedded), async llm => {
      const refused = [
        await rejection(llm.generate('x', { temperature: -1 })),
        await rejection(llm.generate({ promptTokenIds: [2 ** 30] }, greedy)),
        await rejection(llm.generateObject('x', { type: 'nonsense' }, greedy)),
      ]
      for (const error of refused) assert.ok(error instanceof EngineError, String(error))
      return [missing, nobody, ...refused].map(({ name, code }) => [name, code])
    })
  },

  'close: once and for all': async () => {
    const { Engine } = await import('quire-llm')
    const engine = await Engine.create(embedded)
    const [first] = await Promise.all([engine.close(), engine.close()])
    assert.equal(first, undefined)
    return (await rejection((async () => engine.encode(['x'], true))())).code
  },

  'leaves no timer behind that would keep the process': async () => {
    const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout')
    if (process.getActiveResourcesInfo === undefined) return []
    await new Promise(setImmediate)
    assert.deepEqual(timers(), [])
    return timers()
  },
}
