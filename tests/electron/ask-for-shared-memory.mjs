// The one place that needs a buffer over foreign memory: what it says where there is none.

import { join } from 'node:path'
import { loadNativeAddon } from '../../ts/dist/plugin/native-addon.js'

const from = new URL('../../ts/dist/binding/native.js', import.meta.url).href
const { SharedMemory } = loadNativeAddon({
  owner: 'quire-llm',
  binary: 'quire',
  packages: '@quire-llm/node',
  from,
  root: '../../',
})
const bytes = SharedMemory.create(join(process.argv[2], `quire-${process.pid}`), 4096).bytes()
process.stdout.write(JSON.stringify({ code: bytes.code ?? 'none', isBuffer: bytes instanceof ArrayBuffer }))
