// The door around the module: what traps once, in whatever it was called, is an error of Quire's, and nobody is let in again.

import test from 'ava'
import { guardExports } from '../../ts/src/binding/wasm/guarded.js'

const TRAP = 'unreachable'

/** Exports as wasm-bindgen makes them. */
function exportsOf() {
  class Thing {
    readonly value: number
    constructor(value: number) {
      if (value < 0) throw new Error(TRAP)
      this.value = value
    }
    static create(value: number): Thing {
      return new Thing(value)
    }
    twice(): number {
      if (this.value === 0) throw new Error(TRAP)
      return this.value * 2
    }
  }
  return { Thing, half: (value: number) => value / 2, version: '1' }
}

function doorOf(message?: string) {
  return guardExports(exportsOf(), () => message) as ReturnType<typeof exportsOf>
}

test('what does not trap passes as it is', t => {
  const { Thing, half, version } = doorOf()
  t.deepEqual([new Thing(3).twice(), Thing.create(4).twice(), half(8), version], [6, 8, 4, '1'])
  t.true(new Thing(1) instanceof Thing)
})

const traps: readonly [string, (door: ReturnType<typeof exportsOf>) => unknown][] = [
  ['a constructor', ({ Thing }) => new Thing(-1)],
  ['a static method', ({ Thing }) => Thing.create(-1)],
  ['a method', ({ Thing }) => new Thing(0).twice()],
]

for (const [title, trap] of traps) {
  test(`a trap in ${title} ends the module for everybody`, t => {
    for (const [message, code] of [
      ['a panic', 'ERR_INTERNAL'],
      [undefined, 'ERR_OUT_OF_MEMORY'],
    ] as const) {
      const door = doorOf(message)
      t.throws(() => trap(door), { code } as object)
      t.throws(() => new door.Thing(1), { code } as object)
      t.throws(() => door.Thing.create(1), { code } as object)
      t.throws(() => door.half(1), { code } as object)
    }
  })
}
