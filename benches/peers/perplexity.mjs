// Perplexity of a GGUF file in Quire and in llama.cpp, by llama-perplexity's rule: the text in windows that do not overlap, of each
// the second half counted, so that every counted token has at least half a window before it.
//
// usage: node benches/peers/perplexity.mjs [--model FILE.gguf] [--text FILE] [--chunks N] [--window N] [--llama-perplexity PROGRAM] [--output]

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LLM } from 'quire-llm'
import { writeResult } from './result.mjs'

const repository = resolve(fileURLToPath(new URL('../..', import.meta.url)))
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: join(repository, '.cache/models/smollm2-135m-instruct.Q4_1.gguf') },
    text: { type: 'string', default: join(repository, '../shared/prompts/tinyshakespeare.txt') },
    chunks: { type: 'string', default: '8' },
    window: { type: 'string', default: '512' },
    'llama-perplexity': { type: 'string' },
    output: { type: 'boolean', default: false },
  },
})
const [chunks, window] = [values.chunks, values.window].map(Number)
const threads = Number(process.env.BENCH_THREADS ?? 2)
for (const file of [values.model, values.text]) {
  if (!existsSync(file)) throw new Error(`${file} is not here: name another by --model and --text.`)
}

/** exp of the mean negative log-probability of the counted tokens. */
async function quirePerplexity(options) {
  const llm = await LLM.create({ model: values.model, threads, maxModelLen: window + 1, maxNumSeqs: 2, ...options })
  // As llama-perplexity does, the whole text is tokenized, and cut by tokens.
  const ids = await llm.tokenize(readFileSync(values.text, 'utf8'))
  let sum = 0
  let count = 0
  for (let chunk = 0; chunk < chunks && (chunk + 1) * window <= ids.length; chunk += 1) {
    const promptTokenIds = Array.from(ids.slice(chunk * window, (chunk + 1) * window))
    const params = { maxTokens: 1, temperature: 0, promptLogprobs: 0, detokenize: false }
    const { promptLogprobs } = await llm.generate({ promptTokenIds }, params)
    for (const logprob of promptLogprobs.slice(window / 2 + 1)) {
      sum -= logprob.logprob
      count += 1
    }
  }
  await llm.close()
  if (count === 0) throw new Error(`The text has ${ids.length} tokens, less than one window of ${window}.`)
  return Math.exp(sum / count)
}

function llamaPerplexity(program) {
  const args = ['-m', values.model, '-f', values.text, '-c', window, '-b', window, '--chunks', chunks, '-t', threads]
  const { error, status, signal, stdout, stderr } = spawnSync(program, args.map(String), { encoding: 'utf8' })
  if (error !== undefined) throw error
  const found = /Final estimate: PPL = ([\d.]+)/.exec(stdout + stderr)
  if (found === null) throw new Error(`${program} named no perplexity (${signal ?? status}): ${stderr.slice(-400)}`)
  return Number(found[1])
}

const perplexity = {
  quire: await quirePerplexity({}),
  quire_widened: await quirePerplexity({ quantization: 'none', dtype: 'float32' }),
}
if (values['llama-perplexity'] === undefined) {
  console.log('llama.cpp: not run, since no --llama-perplexity was given')
} else {
  perplexity['llama.cpp'] = llamaPerplexity(values['llama-perplexity'])
  perplexity.quire_to_llama_cpp = perplexity.quire / perplexity['llama.cpp']
  // A hundredth apart is more than rounding: one of the two computes something else.
  if (Math.abs(perplexity.quire_to_llama_cpp - 1) > 0.01) process.exitCode = 1
}
console.table(perplexity)
const what = { model: values.model.split('/').at(-1), text: values.text.split('/').at(-1), window, chunks, threads }
if (values.output) writeResult('perplexity-gguf', { ...what, perplexity })
