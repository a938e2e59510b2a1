// The address that a processor's module is imported from, for paths as Windows and other systems write them when they are absolute.

import test from 'ava'
import { parseProcessorSources } from '../../ts/src/config/logits-processors.js'

const rows: readonly (readonly [path: string, url: string])[] = [
  ['/a b/p.mjs', 'file:///a%20b/p.mjs'],
  ['/a/100%?#.mjs', 'file:///a/100%25%3F%23.mjs'],
  ['/a\\b.mjs', 'file:///a%5Cb.mjs'],
  ['C:\\a b\\p%20#?.mjs', 'file:///C:/a%20b/p%2520%23%3F.mjs'],
  ['C:/x/y.mjs', 'file:///C:/x/y.mjs'],
  ['\\\\server\\share\\p.mjs', 'file://server/share/p.mjs'],
]

for (const [path, url] of rows) {
  test(path, t => {
    const [processor] = parseProcessorSources('logitsProcessors', { p: path }, absolute => absolute)
    t.is(processor?.source, url)
  })
}
