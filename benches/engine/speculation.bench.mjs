// What guesses bring: tokens per second with them over those without, round by round in one run, where text repeats what was said and
// where it does not. `--model DIR` takes another model than the bundled one; SmolLM2-135M-Instruct is a real one. Prompt lookup guesses,
// or a second model: `--draft-model DIR`, with `--draft-quantization`. The same model, quantised, is one.

import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LLM } from 'quire-llm'
import { median, report } from './result-file.mjs'

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    'draft-model': { type: 'string' },
    'draft-quantization': { type: 'string', default: 'auto' },
    output: { type: 'boolean' },
    rounds: { type: 'string', default: '3' },
  },
})
const TOKENS = 160
const rounds = Number(values.rounds)

/** Paragraphs of prose that no model was trained to know by heart. */
const prose = readFileSync(fileURLToPath(new URL('../../ARCHITECTURE.md', import.meta.url)), 'utf8')
  .split('\n\n')
  .filter(paragraph => /^[A-Z`]/.test(paragraph) && paragraph.length > 300)
  .slice(0, 4)
  .map(paragraph => paragraph.replace(/\s+/g, ' ').slice(0, 600))

const copying = prose.map(text => `${text}\n\n${text}\n\n${text.slice(0, 80)}`)
const writing = ['Once upon a time', 'My favourite place is', 'The reason why', 'Dear friend,']
const loads = {
  /** The text so far is said again: what edits, quotes and summaries are made of. */
  repeating: { prompts: copying, params: { temperature: 0, maxTokens: TOKENS, ignoreEos: true } },
  /** Drawn freely: little of it was there before. */
  elsewhere: { prompts: writing, params: { temperature: 1, seed: 1, maxTokens: TOKENS, ignoreEos: true } },
}

async function tokensPerSecond(llm, { prompts, params }) {
  const startedAt = performance.now()
  for (const prompt of prompts) await llm.generate(prompt, params)
  return (prompts.length * TOKENS) / ((performance.now() - startedAt) / 1000)
}

const model = values.model === undefined ? {} : { model: values.model }
const options = { ...model, enablePrefixCaching: true, maxModelLen: values.model === undefined ? 512 : 2048 }
const draft = values['draft-model']
const speculativeConfig =
  draft === undefined ? { method: 'ngram' } : { model: draft, quantization: values['draft-quantization'] }
const plain = await LLM.create(options)
const guessing = await LLM.create({ ...options, speculativeConfig })
const figures = {}
for (const [name, load] of Object.entries(loads)) {
  for (const llm of [plain, guessing]) await tokensPerSecond(llm, load)
  const before = guessing.stats()
  const ratios = []
  const rates = []
  for (let round = 0; round < rounds; round += 1) {
    const without = await tokensPerSecond(plain, load)
    const withGuesses = await tokensPerSecond(guessing, load)
    ratios.push(withGuesses / without)
    rates.push(without)
  }
  const after = guessing.stats()
  const guessed = after.numDraftTokens - before.numDraftTokens
  figures[name] = {
    tokens_per_second_without: Math.round(median(rates)),
    ratio: Math.round(median(ratios) * 100) / 100,
    accepted:
      guessed === 0
        ? 0
        : Math.round(((after.numAcceptedDraftTokens - before.numAcceptedDraftTokens) / guessed) * 100) / 100,
    tokens_per_step:
      Math.round(((rounds * load.prompts.length * TOKENS) / (after.numSteps - before.numSteps)) * 100) / 100,
  }
}
report(draft === undefined ? 'speculation' : 'speculation-draft-model', {
  ...(draft !== undefined && { draft_model: `${basename(draft)} ${values['draft-quantization']}` }),
  model: values.model === undefined ? 'bundled' : basename(values.model),
  tokens_each: TOKENS,
  rounds,
  ...figures,
})
await plain.close()
await guessing.close()
