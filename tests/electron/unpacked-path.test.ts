// Paths inside Electron's archives, and the twins of what was left unpacked.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { isPacked, unpackedPath, unpackedUrl } from '../../ts/src/config/unpacked-path.js'

const resources = await mkdtemp(join(tmpdir(), 'quire-unpacked-'))
await mkdir(join(resources, 'app.asar.unpacked/models/a b'), { recursive: true })
await writeFile(join(resources, 'app.asar'), 'an archive is one file')
await writeFile(join(resources, 'app.asar.unpacked/worker.js'), '')
test.after.always(() => rm(resources, { recursive: true }))

const rows: readonly (readonly [string, string, string])[] = [
  ['a folder that was unpacked', 'app.asar/models/a b', 'app.asar.unpacked/models/a b'],
  ['a file that was unpacked', 'app.asar/worker.js', 'app.asar.unpacked/worker.js'],
  ['what is in the archive only', 'app.asar/main.js', 'app.asar/main.js'],
  ['the archive itself', 'app.asar', 'app.asar'],
  ['what is unpacked already', 'app.asar.unpacked/worker.js', 'app.asar.unpacked/worker.js'],
  ['a folder beside', 'app/worker.js', 'app/worker.js'],
]

for (const [title, given, expected] of rows) {
  test(`${title}: ${given}`, t => {
    const [path, twin] = [join(resources, given), join(resources, expected)]
    t.is(unpackedPath(path), twin)
    t.is(unpackedUrl(pathToFileURL(path)).href, pathToFileURL(twin).href)
  })
}

test('a path of Windows', t => {
  t.true(isPacked('C:\\app\\resources\\app.asar\\model', { ...process.versions, electron: '41.0.0' }))
})

test('a path is packed in Electron only', t => {
  const electron = { ...process.versions, electron: '41.0.0' }
  t.true(isPacked('/app/app.asar/model', electron))
  t.false(isPacked('/app/app.asar.unpacked/model', electron))
  t.false(isPacked('/app/model', electron))
  t.false(isPacked('/app/app.asar/model'))
})

test('a URL that is no file is itself', t => {
  t.is(unpackedUrl(new URL('blob:nodedata:1')).href, 'blob:nodedata:1')
})
