// `framework`, the accessor, and `useFramework`: the RFC's way of writing, on one framework after the other.

import test from 'ava'
import { framework, registerPlugin, useFramework } from '../../ts/src/index.js'
import { deselectFramework, selectFramework } from '../../ts/src/plugin/current-framework.js'
import type { Framework, FrameworkPlugin } from '../../ts/src/plugin/index.js'
import { openPlugin } from '../../ts/src/plugin/open-plugin.js'
import { unregisterPlugin } from '../../ts/src/plugin/registry.js'
import { cpu, fakePlugin, namedFramework, npu } from './fake-frameworks.js'

test.serial('before one is selected, it says what to do', t => {
  t.throws(() => framework.zeros([1]), { code: 'ERR_NO_FRAMEWORK', message: /create an LLM, or await useFramework/ })
  t.throws(() => framework.half, { code: 'ERR_NO_FRAMEWORK' })
  t.is((framework as { then?: unknown }).then, undefined)
  t.true('zeros' in framework)
})

test.serial('it is written as the RFC writes it, on the embedded default', async t => {
  await using used = await useFramework('candle')
  t.is(used.name, 'candle')
  const zeros: framework.Tensor = framework.zeros([2, 3], { dtype: framework.half })
  const list: framework.Tensor[] = [zeros]
  t.deepEqual(list[0]?.shape, [2, 3])
  t.is(zeros.dtype, 'float16')
  const tensor = framework.tensor([1, 2, 3])
  t.is(tensor.dtype, framework.float.name)
  t.deepEqual(tensor.device, used.device)
  const back = new Float32Array(3)
  await framework.copyToHost(framework.narrow(tensor, 0, 0, 3), back)
  t.deepEqual([...back], [1, 2, 3])
  t.is(framework.itemSize(framework.bfloat16), 2)
  t.is(framework.finfo('float16').max, 65504)
  t.is(framework.tensor(Int32Array.of(7)).dtype, 'int32')
  t.is(framework.tensor(BigInt64Array.of(7n)).dtype, 'int64')
  t.throws(() => framework.tensor(new Uint16Array(1)), { code: 'ERR_INVALID_ARGUMENT', message: /say which/ })
  t.is(framework.tensor(new Uint16Array(1), { dtype: 'bfloat16' }).dtype, 'bfloat16')
})

test.serial('it speaks for the one selected last that is open', async t => {
  for (const name of ['first', 'second']) registerPlugin(fakePlugin({ name, devices: [npu, cpu] }))
  t.teardown(() => ['first', 'second'].map(unregisterPlugin))
  const first = await useFramework('first')
  const second = await useFramework('second', { device: cpu })
  t.is(framework.name, 'second')
  t.deepEqual(framework.zeros([1]).device, cpu)
  await second.close()
  t.is(framework.name, 'first')
  t.deepEqual(framework.zeros([1]).device, npu)
  const again = await useFramework('first')
  t.not(again.framework, first.framework)
  await first.close()
  t.is(framework.name, 'first')
  await again.close()
  await again.close()
  t.throws(() => framework.name, { code: 'ERR_NO_FRAMEWORK' })
  await t.throwsAsync(useFramework('third'), { code: 'ERR_NO_FRAMEWORK', message: /No framework named 'third'/ })
})

test.serial('a call that a framework lacks names both', async t => {
  let numClosed = 0
  const plugin = fakePlugin({
    name: 'lean',
    onClose: () => {
      numClosed += 1
    },
  })
  registerPlugin(plugin)
  t.teardown(() => unregisterPlugin('lean'))
  const lean = await useFramework('lean')
  const message = (call: string) => ({ code: 'ERR_NOT_SUPPORTED', message: `The framework lean has no ${call}.` })
  for (const one of [framework, lean.framework]) {
    t.throws(() => one.manualSeed(1n), message('manualSeed'))
    t.throws(() => one.bfloat16, message('bfloat16'))
    await t.throwsAsync(async () => one.barrier(), message('barrier'))
    t.is((one as { compile?: unknown }).compile, undefined)
  }
  t.throws(() => framework.finfo('float32'), message('finfo'))
  const { details } = t.throws(() => lean.framework.emptyCache()) as Error & { details?: unknown }
  t.deepEqual(details, { framework: 'lean', call: 'emptyCache' })
  await lean.close()
  t.is(numClosed, 1)
})

test.serial('a framework that will not start leaves nothing behind', async t => {
  let numClosed = 0
  const stubborn: Partial<Framework> = {
    ...namedFramework('stubborn'),
    setDevice: () => {
      throw new Error('busy')
    },
  }
  registerPlugin(
    fakePlugin({
      name: 'stubborn',
      framework: stubborn,
      onClose: () => {
        numClosed += 1
      },
    }),
  )
  t.teardown(() => unregisterPlugin('stubborn'))
  await t.throwsAsync(useFramework('stubborn'), { message: 'busy' })
  t.is(numClosed, 1)
  t.throws(() => framework.name, { code: 'ERR_NO_FRAMEWORK' })
})

test('what a plugin opens is checked', async t => {
  const odd = (opened: unknown): FrameworkPlugin => ({
    ...fakePlugin({ name: 'odd' }),
    open: async () => opened as never,
  })
  const message = /^What odd opened lacks `(framework|close|createRunner)`/
  for (const opened of [undefined, {}, { framework: {} }, { framework: {}, createRunner() {} }]) {
    await t.throwsAsync(openPlugin(odd(opened), { env: {} }), { code: 'ERR_PLUGIN', message })
  }
  const whole = Object.fromEntries(Object.keys(await candleMembers()).map(name => [name, () => name]))
  const opened = await openPlugin(odd({ framework: whole, createRunner() {}, close() {} }), { env: {} })
  t.is(opened.framework as unknown, whole, 'a framework that is whole is handed on as it is')
})

/** The members of a framework that has them all. */
async function candleMembers(): Promise<Record<string, true>> {
  const { framework: candle, close } = await useFramework('candle')
  const own = [...Object.keys(candle), ...Object.getOwnPropertyNames(Object.getPrototypeOf(candle))]
  await close()
  return Object.fromEntries(own.map(name => [name, true]))
}

test.serial('selecting one again moves it to the front; it follows what its holder has', t => {
  const one = { framework: namedFramework('one') }
  const two = { framework: namedFramework('two') }
  for (const each of [one, two, one]) selectFramework(each)
  t.is(framework.name, 'one')
  one.framework = namedFramework('a new one')
  t.is(framework.name, 'a new one')
  deselectFramework(one)
  t.is(framework.name, 'two')
  deselectFramework(two)
})
