// Schemas from real use (a sample of JSONSchemaBench): whatever ends is valid for an independent validator; what is refused
// names its keyword; nothing takes long.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { GrammarError, LLM } from 'quire-llm'
import { validatorOf } from './schema-validator.js'

interface Row {
  readonly id: string
  readonly schema: Record<string, unknown>
}

const shared = process.env.QUIRE_SHARED ?? join(import.meta.dirname, '../../../shared')
const sample = join(shared, 'prompts/jsonschemabench_sample.jsonl')
/** Longest that a schema may take to be refused, which beside others may be waiting: alone, it is time of the CPU. */
const LONGEST_MS = 5000
const AT_ONCE = 32

function rows(): Row[] {
  return readFileSync(sample, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Row)
}

const maybe = existsSync(sample) ? test : test.skip

maybe(`outputs that end are valid (skipped without ${sample})`, async t => {
  t.timeout(20 * 60_000)
  await using llm = await LLM.create()
  const all = rows()
  const invalid: string[] = []
  const nameless: string[] = []
  const waited: Row[] = []
  const counts = { ended: 0, cut: 0, refused: 0 }
  const run = async ({ id, schema }: Row, index: number) => {
    const validate = validatorOf(schema)
    const began = performance.now()
    try {
      const { outputs } = await llm.generate('Once upon a time', {
        temperature: 1,
        seed: index,
        maxTokens: 200,
        structuredOutputs: { json: schema },
      })
      const { text, finishReason } = outputs[0] as (typeof outputs)[number]
      if (finishReason !== 'stop') counts.cut += 1
      else {
        counts.ended += 1
        if (validate !== undefined && !validate(JSON.parse(text))) {
          invalid.push(`${id}: ${text.slice(0, 200)} ${JSON.stringify(validate.errors?.[0])}`)
        }
      }
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error
      counts.refused += 1
      const { code, details } = error
      const isNamed = code === 'ERR_GRAMMAR_UNSUPPORTED' ? typeof details.keyword === 'string' : true
      if (!isNamed || code === 'ERR_GRAMMAR_STUCK') nameless.push(`${id}: ${error.message}`)
      if (performance.now() - began > LONGEST_MS) waited.push({ id, schema })
    }
  }
  for (let start = 0; start < all.length; start += AT_ONCE) {
    await Promise.all(all.slice(start, start + AT_ONCE).map((row, offset) => run(row, start + offset)))
  }
  t.log(counts)
  const slow: string[] = []
  for (const { id, schema } of waited) {
    const before = process.cpuUsage()
    await t.throwsAsync(llm.generate('Once upon a time', { structuredOutputs: { json: schema } }), {
      instanceOf: GrammarError,
    })
    const { user, system } = process.cpuUsage(before)
    if ((user + system) / 1000 > LONGEST_MS) slow.push(id)
  }
  t.deepEqual(invalid, [])
  t.deepEqual(nameless, [])
  t.deepEqual(slow, [])
  t.true(counts.ended > all.length / 2, JSON.stringify(counts))
  t.true(counts.refused < all.length / 10, JSON.stringify(counts))
})
