// What clients of `quire serve` see at 1, 16, 64 and 256 streams, beside the same engine without a server in the same run.
// Two models are so small that serving dominates; a real one, where it has been fetched, says what is left of its own speed. `--peer-url NAME=URL` measures another OpenAI server on the same load (start
// it with the checkpoint of tiny-checkpoint.mjs, or name its model by `--peer-tokenizer`); `--models`, `--streams`, `--rounds` and `--num-prompts` make it smaller.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Engine, SamplingParams } from 'quire-llm'
import { loadPromptTokenizer } from '../../ts/dist/bench/index.js'
import { bundledModelDirectory } from '../../ts/dist/config/bundled-model.js'
import { median, report } from '../engine/result-file.mjs'
import { startServer } from './quire-server.mjs'
import { SHAPES, tinyCheckpoint } from './tiny-checkpoint.mjs'
import { measureServer, OUTPUT_TOKENS, PROMPT_TOKENS, requestsFor, samplesOf } from './workload.mjs'

const { values } = parseArgs({
  options: {
    output: { type: 'boolean' },
    models: { type: 'string', default: 'hidden64,bundled,smollm2-135m-instruct' },
    streams: { type: 'string', default: '1,16,64,256' },
    rounds: { type: 'string', default: '3' },
    'num-prompts': { type: 'string' },
    'peer-url': { type: 'string', multiple: true, default: [] },
    'peer-model': { type: 'string' },
    'peer-tokenizer': { type: 'string', default: 'hidden64' },
  },
})
const repository = fileURLToPath(new URL('../..', import.meta.url))
const cache = join(repository, '.cache')
const asked = { levels: values.streams.split(',').map(Number), rounds: Number(values.rounds) }
/** Where the model is the limit, one level says all, and takes minutes. */
const REAL = { name: 'smollm2-135m-instruct', levels: [64], rounds: 3, numPrompts: 128 }
const numPromptsFor = streams =>
  values['num-prompts'] === undefined ? requestsFor(streams) : Number(values['num-prompts'])

/** A shape of tiny-checkpoint.mjs, `bundled`, a folder, or the name of one in the caches of models. */
async function modelDirectory(name) {
  if (Object.hasOwn(SHAPES, name)) return tinyCheckpoint(cache, name)
  if (name === 'bundled') return bundledModelDirectory()
  const shared = process.env.QUIRE_SHARED ?? join(repository, '../shared')
  const places = [
    name,
    join(process.env.QUIRE_TEST_MODELS ?? join(cache, 'models'), name),
    join(shared, 'models', name),
  ]
  const found = places.find(place => existsSync(join(place, 'config.json')))
  if (found === undefined && name !== REAL.name) throw new Error(`there is no model ${name}`)
  return found
}

/** Tokens per second of so many streams of the same requests, without a server. */
async function inProcess(model, { streams, seed, numPrompts }) {
  const engine = await Engine.create({ model })
  try {
    const samples = await samplesOf(await loadPromptTokenizer(model), numPrompts, seed)
    const prompts = await engine.encode(
      samples.map(({ prompt }) => prompt),
      true,
    )
    const params = new SamplingParams({
      temperature: 0,
      maxTokens: OUTPUT_TOKENS,
      ignoreEos: true,
      outputKind: 'delta',
    })
    const run = async ids => {
      let next = 0
      let tokens = 0
      const stream = async () => {
        while (next < ids.length) {
          const index = next
          next += 1
          const request = { requestId: `${seed}-${ids.length}-${index}`, promptTokenIds: ids[index], params }
          for await (const { outputs } of engine.add(request)) tokens += outputs[0]?.tokenIds.length ?? 0
        }
      }
      const startedAt = performance.now()
      await Promise.all(Array.from({ length: streams }, stream))
      return tokens / ((performance.now() - startedAt) / 1000)
    }
    await run(prompts.slice(0, 8).map(ids => ids.toReversed())) // warm-up, on prompts that do not come again
    return await run(prompts)
  } finally {
    await engine.close()
  }
}

/** Medians of objects of numbers, key by key; what counts failures is added up. */
function medians(samples) {
  const summed = new Set(['failed', 'connections_reset', 'completed'])
  return Object.fromEntries(
    Object.keys(samples[0]).map(key => {
      const list = samples.map(sample => sample[key])
      return [key, summed.has(key) ? list.reduce((a, b) => a + b) : median(list)]
    }),
  )
}

async function measureQuire(name) {
  const model = await modelDirectory(name)
  if (model === undefined) return 'not fetched: `npm test` fetches it into .cache/models'
  const { levels, rounds } = name === REAL.name ? REAL : asked
  const samples = new Map(levels.map(streams => [streams, []]))
  const ready = []
  for (let round = 0; round < rounds; round += 1) {
    for (const streams of levels) {
      const seed = round * 1000 + streams
      const numPrompts = name === REAL.name ? REAL.numPrompts : numPromptsFor(streams)
      const bare = await inProcess(model, { streams, seed, numPrompts })
      const server = await startServer(['--model', model])
      try {
        ready.push(server.readyMs)
        await server.reset()
        const seen = await measureServer(server.url, {
          streams,
          tokenizer: model,
          seed,
          numPrompts,
        })
        const loop = await server.read()
        samples.get(streams).push({
          ...seen,
          event_loop_p50_ms: loop.p50_ms,
          event_loop_p99_ms: loop.p99_ms,
          in_process_tokens_per_second: Math.round(bare),
          share_of_in_process: Math.round((seen.tokens_per_second / bare) * 1000) / 1000,
        })
      } finally {
        await server.stop()
      }
    }
  }
  return {
    ready_ms: Math.round(median(ready)),
    ...Object.fromEntries([...samples].map(([streams, list]) => [`streams_${streams}`, medians(list)])),
  }
}

async function measurePeer(text) {
  const [name, url] = text.split(/=(.*)/s)
  if (url === undefined) throw new Error(`--peer-url needs NAME=URL, got ${text}`)
  const tokenizer = await modelDirectory(values['peer-tokenizer'])
  const results = {}
  for (const streams of asked.levels) {
    const list = []
    for (let round = 0; round < asked.rounds; round += 1) {
      const load = { streams, tokenizer, seed: round * 1000 + streams, numPrompts: numPromptsFor(streams) }
      list.push(await measureServer(url, { ...load, ...(values['peer-model'] && { model: values['peer-model'] }) }))
    }
    results[`streams_${streams}`] = medians(list)
  }
  return [name, results]
}

const models = {}
for (const name of values.models.split(',').filter(Boolean)) models[name] = await measureQuire(name)
const peers = []
for (const peer of values['peer-url']) peers.push(await measurePeer(peer))
report('serving', {
  unit: 'output tokens per second with the load generator on the same machine, milliseconds, medians of rounds',
  prompt_tokens: PROMPT_TOKENS,
  tokens_each: OUTPUT_TOKENS,
  rounds: asked.rounds,
  models,
  ...(peers.length > 0 && { peers: Object.fromEntries(peers) }),
})
