// What macOS prints of its memory, of which the CPU's plugin takes what can be had without swapping.

import test from 'ava'
import { availableBytes } from '../../plugins/candle-cpu/src/vm-stat.js'

const statistics = `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                3000.
Pages active:                            500000.
Pages inactive:                          400000.
Pages speculative:                          200.
Pages throttled:                              0.
Pages wired down:                        100000.
Pages purgeable:                           7000.
`

const rows: readonly (readonly [title: string, text: string, bytes: number | undefined])[] = [
  ['free, speculative and inactive pages are available', statistics, 403_200 * 16_384],
  ['pages have the size that is said', statistics.replace('16384', '4096'), 403_200 * 4096],
  ['a line is missing', statistics.replace('Pages inactive', 'Pages idle'), undefined],
  ['the size of pages is missing', statistics.replace('page size', 'size'), undefined],
  ['nothing', '', undefined],
]

for (const [title, text, bytes] of rows) test(title, t => t.is(availableBytes(text), bytes))
