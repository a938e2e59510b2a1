// The types that apps write against, from the built declarations. The compiler is the test: `npm run check` compiles this file, and a
// type that becomes wider, narrower or `any` fails there. What runs here are the few promises that types cannot hold alone.

import test from 'ava'
import {
  Engine,
  EngineError,
  type EngineOptions,
  type ErrorCode,
  InvalidArgumentError,
  LLM,
  type RequestOutput,
  SamplingParams,
} from 'quire-llm'
import type { Framework, FrameworkPlugin, ModelRunner } from 'quire-llm/plugin'
import { z } from 'zod'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles if the two types are the same; `any` is the same as itself only. */
function same<A, B>(..._equal: Equal<A, B> extends true ? [] : ['the types differ']): void {}

const schema = z.object({ count: z.number() })
type ObjectOf<Schema extends Parameters<LLM['generateObject']>[1]> = Awaited<
  ReturnType<typeof LLM.prototype.generateObject<Schema>>
>['object']

function types(llm: LLM, engine: Engine, plugin: FrameworkPlugin, error: EngineError): void {
  const one = llm.generate('a prompt')
  const many = llm.generate(['a prompt', { promptTokenIds: [1, 2] }], { maxTokens: 3 })
  same<typeof one, Promise<RequestOutput>>()
  same<typeof many, Promise<RequestOutput[]>>()
  same<Awaited<ReturnType<typeof LLM.create>>, LLM>()
  same<Awaited<ReturnType<typeof Engine.create>>, Engine>()
  same<ReturnType<Engine['close']>, Promise<void>>()
  same<typeof error.code, ErrorCode>()
  same<ObjectOf<typeof schema>, { count: number }>()
  same<ObjectOf<{ type: 'object' }>, unknown>()
  const asynchronous: AsyncDisposable[] = [llm, engine]
  const opened: Promise<{ framework: Framework; createRunner: (...given: never[]) => Promise<ModelRunner> }> =
    plugin.open({} as never)
  void [asynchronous, opened]
  new SamplingParams({ temperature: 0.5, topK: 3, stop: ['x'] })
  const options: EngineOptions = { model: 'org/name', numBlocks: 4 }
  void options
  // @ts-expect-error a temperature is a number
  new SamplingParams({ temperature: '1' })
  // @ts-expect-error camelCase: snake_case is the wire's
  new SamplingParams({ max_tokens: 1 })
  // @ts-expect-error no such option
  void LLM.create({ modell: 'x' })
  // @ts-expect-error a prompt is a text, ids or an object
  void llm.generate(1)
  // @ts-expect-error read-only
  error.code = 'ERR_CLOSED'
}

test('what types alone cannot hold', t => {
  t.is(typeof types, 'function')
  const error = t.throws(() => new SamplingParams({ temperature: -1 }), { instanceOf: InvalidArgumentError })
  t.true(error instanceof EngineError)
  t.is(error.code, 'ERR_INVALID_ARGUMENT')
  t.is(error.parameter, 'temperature')
  for (const entry of [LLM, Engine]) t.is(typeof entry.create, 'function')
})
