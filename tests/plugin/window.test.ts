// Windows: narrow and view by PyTorch's rules. Expected strides are those that torch 2.15 gives.

import test from 'ava'
import {
  contiguousStrides,
  InvalidArgumentError,
  narrowWindow,
  viewWindow,
  type Window,
} from '../../ts/src/plugin/index.js'

const whole = (...shape: number[]): Window => ({ shape, strides: contiguousStrides(shape), offset: 0 })

test('narrow keeps the strides and moves the offset', t => {
  t.deepEqual(narrowWindow(whole(3, 16, 640), 2, 0, 576), { shape: [3, 16, 576], strides: [10240, 640, 1], offset: 0 })
  t.deepEqual(narrowWindow(whole(4, 6), 0, 1, 2), { shape: [2, 6], strides: [6, 1], offset: 6 })
  t.deepEqual(narrowWindow(whole(4, 6), -1, 2, 3), { shape: [4, 3], strides: [6, 1], offset: 2 })
  const inner = narrowWindow(narrowWindow(whole(4, 6), 0, 1, 2), 1, 2, 2)
  t.deepEqual(inner, { shape: [2, 2], strides: [6, 1], offset: 8 })
})

const views: readonly (readonly [string, Window, readonly number[], readonly number[]])[] = [
  ['splits a dimension', whole(4, 6), [4, 2, 3], [6, 3, 1]],
  ['joins dimensions', whole(2, 3, 4), [6, 4], [4, 1]],
  ['infers one size', whole(2, 3, 4), [2, -1], [12, 1]],
  [
    'splits the last dimension of a narrowed one',
    narrowWindow(whole(2, 3, 128), 2, 0, 72),
    [2, 3, 2, 4, 9],
    [384, 128, 36, 9, 1],
  ],
  ['splits the first dimension of a narrowed one', narrowWindow(whole(4, 8), 1, 0, 6), [2, 2, 6], [16, 8, 1]],
  ['adds a dimension of one', whole(4, 6), [4, 1, 6], [6, 6, 1]],
  ['takes one element as a scalar', whole(1, 1), [], []],
]

for (const [what, window, shape, strides] of views) {
  test(`view ${what}`, t => {
    const viewed = viewWindow(window, shape)
    t.deepEqual([viewed.strides, viewed.offset], [strides, window.offset])
  })
}

const refused: readonly (readonly [string, Window, readonly number[]])[] = [
  ['joins what padding divides', narrowWindow(whole(4, 8), 1, 0, 6), [24]],
  ['joins across rows in part', narrowWindow(whole(4, 8), 1, 0, 6), [2, 4, 3]],
  ['has too few elements', whole(4, 6), [4, 5]],
  ['infers a size that is no integer', whole(4, 6), [5, -1]],
  ['infers two sizes', whole(4, 6), [-1, -1]],
  ['has a negative size', whole(4, 6), [-4, -6]],
]

for (const [what, window, shape] of refused) {
  test(`view that ${what} throws`, t => {
    t.is(t.throws(() => viewWindow(window, shape), { instanceOf: InvalidArgumentError })?.parameter, 'shape')
  })
}

test('a range outside of a dimension throws', t => {
  for (const [dim, start, length] of [
    [2, 0, 1],
    [0, 3, 2],
    [0, -1, 1],
    [0, 0, -1],
    [0.5, 0, 1],
  ] as const) {
    t.throws(() => narrowWindow(whole(4, 6), dim, start, length), { instanceOf: InvalidArgumentError })
  }
})
