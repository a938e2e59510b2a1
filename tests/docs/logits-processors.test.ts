// The example of docs/logits-processors.md is run as it stands.

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { parseServeSettings } from '../../ts/src/cli/serve-settings.js'
import { blocksOf, readGuide, root } from './guide-blocks.js'

const blocks = blocksOf(readGuide('logits-processors.md'))

test('the story without the ids that are banned', async t => {
  // Inside of the repository, so that the program finds its packages.
  await mkdir(join(root, '.cache/docs'), { recursive: true })
  const folder = await mkdtemp(join(root, '.cache/docs/processors-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = blocks.filter(({ language }) => language === 'js')
  t.deepEqual(
    files.map(({ name }) => name),
    ['ban.mjs', 'story.mjs'],
  )
  await Promise.all(files.map(({ name, text }) => writeFile(join(folder, name), text)))
  const { stdout } = await promisify(execFile)(process.execPath, ['story.mjs'], { cwd: folder, timeout: 120_000 })
  const [plain = '', other = ''] = stdout.trim().split(' | ')
  t.true(plain.length > 0 && other.length > 0)
  t.not(plain, other)
})

test('the command line of the server', t => {
  const line =
    blocks
      .find(({ language }) => language === 'sh')
      ?.text.trim()
      .split(' ')
      .slice(3) ?? []
  t.deepEqual(parseServeSettings(line, {}).engine.logitsProcessors, { ban: './ban.mjs' })
  const two = ['--logits-processors', 'a=./a=b.mjs', 'b=/b.mjs']
  t.deepEqual(parseServeSettings(two, {}).engine.logitsProcessors, { a: './a=b.mjs', b: '/b.mjs' })
  for (const wrong of ['ban', '=x.mjs']) {
    t.throws(() => parseServeSettings(['--logits-processors', wrong], {}), { message: /needs names and files/ })
  }
})
