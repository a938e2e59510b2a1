// The workflows of releases and of CI, as far as it shows here: that they build and test every platform that packages are made for,
// publish nothing untested, and start only what is there. (Their syntax is actionlint's, which CI runs.)

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { load } from 'js-yaml'
import { platformPackages } from '../../ts/build/platform-packages.mjs'
import { PUBLISHED_PLATFORMS } from '../../ts/src/plugin/native-platform.js'

interface Step {
  readonly run?: string
  readonly uses?: string
}

interface Job {
  readonly needs?: string | readonly string[]
  readonly if?: string
  readonly permissions?: Readonly<Record<string, string>>
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly unknown[]>> }
  readonly steps: readonly Step[]
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>
  readonly jobs: Readonly<Record<string, Job>>
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = join(root, '.github/workflows')
const names = readdirSync(folder)
const workflow = (name: string) => load(readFileSync(join(folder, name), 'utf8')) as Workflow
const targetsOf = (path: string) =>
  (JSON.parse(readFileSync(join(root, path, 'napi.json'), 'utf8')) as { targets: string[] }).targets

const { jobs } = workflow('release.yml')

function matrix(job: string, key: string): unknown[] {
  const { include = [], [key]: values = [] } = (jobs[job] as Job).strategy?.matrix ?? {}
  return [...values, ...include.flatMap(row => (row as Record<string, unknown>)[key] ?? [])]
}

test('both addons are made for the same platforms, the loader knows them, and a release builds them', t => {
  const targets = targetsOf('ts')
  t.deepEqual(targetsOf('plugins/candle-cpu'), targets)
  t.deepEqual([...matrix('build', 'target')].sort(), [...targets].sort())
  const platforms = [...new Set(platformPackages().map(({ platform }) => platform))]
  t.deepEqual(platforms.sort(), [...PUBLISHED_PLATFORMS].sort())
})

test('the packages run on every platform before they are published', t => {
  const onMusl = matrix('test-containers', 'image').filter(image => String(image).includes('alpine'))
  t.true(onMusl.length > 0)
  const others = PUBLISHED_PLATFORMS.filter(platform => !platform.endsWith('-musl'))
  t.deepEqual([...new Set(matrix('test', 'system'))].sort(), [...others].sort())
  const publish = jobs.publish as Job
  t.deepEqual(publish.needs, ['test', 'test-containers'])
  t.is(publish.permissions?.['id-token'], 'write', 'provenance')
  t.is(publish.if, "github.ref_type == 'tag'")
})

for (const name of names) {
  test(`${name}: by default it may only read, it names its actions' releases, and what it starts is there`, t => {
    const { permissions, jobs: own } = workflow(name)
    t.deepEqual(permissions, { contents: 'read' })
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }
    for (const { steps } of Object.values(own)) {
      for (const { run = '', uses } of steps) {
        if (uses !== undefined) t.regex(uses, /@v?\d/)
        for (const [, script] of run.matchAll(/npm run (?:--\w+ )*([\w:]+)/g))
          t.true((script as string) in scripts, script)
        for (const [, file] of run.matchAll(/(?:node|bash) (?:\/quire\/)?((?:[\w.-]+\/)+[\w.-]+)/g)) {
          t.true(existsSync(join(root, file as string)), file)
        }
      }
    }
  })
}
