// What a KV cache of fewer bits costs in quality: perplexity of a text in windows, of each the second half counted; at how many of
// those positions the likeliest token is that of a float32 cache; and how many tokens a greedy continuation of 64 has in common
// with it before the first other one. `--model DIR` and `--text FILE` name others than SmolLM2 and tiny Shakespeare.

import { existsSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LLM } from 'quire-llm'
import { report } from './result-file.mjs'

const repository = resolve(fileURLToPath(new URL('../..', import.meta.url)))
const smollm2 = join(process.env.QUIRE_TEST_MODELS ?? join(repository, '.cache/models'), 'smollm2-135m-instruct')
const shakespeare = join(process.env.QUIRE_SHARED ?? join(repository, '../shared'), 'prompts/tinyshakespeare.txt')
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: smollm2 },
    text: { type: 'string', default: shakespeare },
    chunks: { type: 'string', default: '8' },
    window: { type: 'string', default: '512' },
    output: { type: 'boolean', default: false },
  },
})
const [chunks, window] = [values.chunks, values.window].map(Number)
const TYPES = ['float32', 'bfloat16', 'fp8_e4m3', 'fp8_e5m2', 'int8']
const GREEDY_TOKENS = 64

if ([values.model, values.text].every(file => existsSync(file))) await run()
else console.log(`${values.model} or ${values.text} is not here: name others by --model and --text.`)

async function run() {
  const measured = {}
  for (const kvCacheDtype of TYPES) measured[kvCacheDtype] = await measure(kvCacheDtype)
  const exact = measured.float32
  const figures = Object.entries(measured).map(([name, { perplexity, likeliest, greedy, bytesOfToken }]) => {
    const same = likeliest.filter((id, index) => id === exact.likeliest[index]).length
    const common = greedy.map((ids, index) => commonLength(ids, exact.greedy[index]))
    return [
      name,
      {
        perplexity: round(perplexity, 4),
        to_float32: round(perplexity / exact.perplexity, 5),
        same_likeliest_token: round(same / likeliest.length, 4),
        greedy_tokens_in_common: round(common.reduce((sum, length) => sum + length, 0) / common.length, 1),
        bytes_of_a_token: bytesOfToken,
      },
    ]
  })
  const what = { model: basename(values.model), text: basename(values.text), window, chunks }
  report('kv-cache-dtype', { ...what, greedy_tokens: GREEDY_TOKENS, types: Object.fromEntries(figures) })
}

async function measure(kvCacheDtype) {
  const llm = await LLM.create({
    model: values.model,
    kvCacheDtype,
    maxModelLen: window + 1,
    maxNumSeqs: 8,
    enablePrefixCaching: false,
  })
  const ids = await llm.tokenize(readFileSync(values.text, 'utf8'))
  let sum = 0
  const likeliest = []
  const greedy = []
  for (let chunk = 0; chunk < chunks && (chunk + 1) * window <= ids.length; chunk += 1) {
    const promptTokenIds = Array.from(ids.slice(chunk * window, (chunk + 1) * window))
    const params = { maxTokens: 1, temperature: 0, promptLogprobs: 1, detokenize: false }
    const { promptLogprobs } = await llm.generate({ promptTokenIds }, params)
    for (const logprob of promptLogprobs.slice(window / 2 + 1)) {
      sum -= logprob.logprob
      likeliest.push(logprob.top.find(({ rank }) => rank === 1).tokenId)
    }
    const start = { promptTokenIds: promptTokenIds.slice(0, window / 2) }
    const { outputs } = await llm.generate(start, { maxTokens: GREEDY_TOKENS, temperature: 0, ignoreEos: true })
    greedy.push(outputs[0].tokenIds)
  }
  if (likeliest.length === 0) throw new Error(`The text has ${ids.length} tokens, less than one window of ${window}.`)
  const { bytes, numBlocks, blockSize } = llm.cacheInfo
  const bytesOfToken = bytes / (numBlocks * blockSize)
  await llm.close()
  return { perplexity: Math.exp(sum / likeliest.length), likeliest, greedy, bytesOfToken }
}

function commonLength(one, other) {
  const index = one.findIndex((id, at) => id !== other[at])
  return index === -1 ? one.length : index
}

function round(number, digits) {
  return Number(number.toFixed(digits))
}
