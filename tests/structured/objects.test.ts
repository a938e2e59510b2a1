// Objects from schemas of other libraries: the type is inferred, the library's own validation has the last word.

import anyTest, { type TestFn } from 'ava'
import { type InferObject, LLM, ObjectError, type StandardSchema } from 'quire-llm'
import { z } from 'zod'

const test = anyTest as TestFn<{ llm: LLM }>
test.before(async t => {
  t.context.llm = await LLM.create()
})
test.after.always(t => t.context.llm?.close())

const cat = z.object({
  name: z.string().max(10),
  lives: z.int().min(1).max(9),
  colour: z.enum(['black', 'white']).optional(),
  born: z.iso.date().transform(text => new Date(text)),
})

/** Compiles only if both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never
const inferred: Same<InferObject<typeof cat>, z.output<typeof cat>> = true

test('a zod schema gives its type and its value', async t => {
  const { object, output } = await t.context.llm.generateObject('A cat: ', cat, { seed: 1, maxTokens: 200 })
  const lives: number = object.lives
  t.true(inferred)
  t.true(Number.isInteger(lives) && lives >= 1 && lives <= 9)
  t.true(object.name.length <= 10)
  t.true(object.born instanceof Date && !Number.isNaN(object.born.getTime()))
  t.is(output.outputs[0]?.finishReason, 'stop')
})

test('a conversation as the prompt, a plain JSON schema as the schema', async t => {
  const messages = [{ role: 'user', content: 'Tell me a number.' }]
  const { object } = await t.context.llm.generateObject(
    { messages },
    { type: 'integer', minimum: 3, maximum: 4 },
    { seed: 2 },
  )
  const value: unknown = object
  t.true(value === 3 || value === 4)
})

test('any Standard Schema that says its JSON schema', async t => {
  const even: StandardSchema<number, { readonly half: number }> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: value =>
        (value as number) % 2 === 0
          ? { value: { half: (value as number) / 2 } }
          : { issues: [{ message: 'odd', path: ['a'] }] },
      jsonSchema: { input: () => ({ enum: [7, 8] }) },
    },
  }
  const seen = new Set<string>()
  for (let seed = 0; seed < 12; seed += 1) {
    try {
      const { object } = await t.context.llm.generateObject('A number: ', even, { seed })
      t.is(object.half, 4)
      seen.add('even')
    } catch (error) {
      t.true(error instanceof ObjectError)
      t.is((error as ObjectError).code, 'ERR_OBJECT_INVALID')
      t.regex((error as ObjectError).message, /at a: odd/)
      t.is((error as ObjectError).details.text, '7')
      seen.add('odd')
    }
  }
  t.deepEqual([...seen].sort(), ['even', 'odd'])
  const silent: StandardSchema = { '~standard': { version: 1, vendor: 'silent', validate: value => ({ value }) } }
  await t.throwsAsync(t.context.llm.generateObject('x', silent), {
    code: 'ERR_INVALID_ARGUMENT',
    message: /silent does not say/,
  })
})

test('an object that is cut off is an error with its text', async t => {
  const error = await t.throwsAsync(t.context.llm.generateObject('A cat: ', cat, { seed: 1, maxTokens: 3 }), {
    instanceOf: ObjectError,
  })
  t.is((error as ObjectError).code, 'ERR_OBJECT_INCOMPLETE')
  t.is((error as ObjectError).details.finishReason, 'length')
  await t.throwsAsync(t.context.llm.generateObject('x', cat, { n: 2 }), { code: 'ERR_INVALID_ARGUMENT' })
  await t.throwsAsync(t.context.llm.generateObject('x', z.object({ f: z.bigint() })), { code: 'ERR_INVALID_ARGUMENT' })
})
