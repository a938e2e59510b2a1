// The version that is compiled in is the one that is published.

import { readFileSync } from 'node:fs'
import test from 'ava'
import { packageVersion } from '../../ts/src/config/package-version.js'

test('the version in the code is that of the manifest', t => {
  const manifest = JSON.parse(readFileSync(new URL('../../ts/package.json', import.meta.url), 'utf8')) as object
  t.like(manifest, { name: 'quire-llm', version: packageVersion() })
})
