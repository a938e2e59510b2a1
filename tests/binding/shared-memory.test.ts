// Memory shared with another process: seen there, seen here, reserved when made.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, statSync } from 'node:fs'
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { loadNative, shareMemory } from '../../ts/src/binding/node.js'

test('what another process writes is seen here without a copy, and the other way', async t => {
  const memory = shareMemory(await loadNative(), 8192, {})
  const words = new Int32Array(memory.bytes)
  t.is(words.length, 2048)
  t.true(words.every(word => word === 0))
  words[2047] = 12345
  const program = `const fs = require('node:fs')
    const file = fs.openSync(process.argv[1], 'r+')
    const bytes = Buffer.alloc(4)
    fs.readSync(file, bytes, 0, 4, 2047 * 4)
    bytes.writeInt32LE(bytes.readInt32LE() + 1)
    fs.writeSync(file, bytes, 0, 4, 0)`
  execFileSync(process.execPath, ['-e', program, memory.path])
  t.is(words[0], 12346)
  t.is(statSync(memory.path).mode & 0o777, 0o600)
  await memory.unlink()
  t.false(existsSync(memory.path))
  t.is(words[0], 12346)
})

test('the folder is the one of QUIRE_SHARED_MEMORY; one that is not there is a typed error', async t => {
  const native = await loadNative()
  const folder = await mkdtemp(join(tmpdir(), 'quire-memory-'))
  const memory = shareMemory(native, 1, { QUIRE_SHARED_MEMORY: folder })
  t.true(memory.path.startsWith(folder))
  await memory.unlink()
  t.deepEqual(await readdir(folder), [])
  t.throws(() => shareMemory(native, 1, { QUIRE_SHARED_MEMORY: join(folder, 'absent') }), { code: 'ERR_RUNNER' })
  for (const length of [0, -1]) t.throws(() => shareMemory(native, length, {}), { code: 'ERR_RUNNER' })
})

test('more than the folder can ever have is refused before a page of it is taken', async t => {
  const native = await loadNative()
  const folder = await mkdtemp(join(tmpdir(), 'quire-memory-'))
  t.throws(() => shareMemory(native, 2 ** 50, { QUIRE_SHARED_MEMORY: folder }), { code: 'ERR_OUT_OF_MEMORY' })
  t.deepEqual(await readdir(folder), [])
})

const folder = mkdtempSync(join(tmpdir(), 'quire-full-'))
const mounted = mountSmall(folder)
const testWithoutRoom = mounted ? test : test.skip

testWithoutRoom(
  mounted
    ? 'a folder without room is ERR_OUT_OF_MEMORY that says what to do, and leaves no file'
    : 'a folder without room: this user may not mount a file system of 64 KiB',
  async t => {
    try {
      const native = await loadNative()
      const error = t.throws(() => shareMemory(native, 1 << 20, { QUIRE_SHARED_MEMORY: folder }), {
        code: 'ERR_OUT_OF_MEMORY',
      })
      t.regex(error?.message ?? '', /1048576 bytes.*--shm-size.*maxNumSeqs/)
      t.deepEqual(await readdir(folder), [])
    } finally {
      execFileSync('umount', [folder])
    }
  },
)

function mountSmall(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
