// `quire doctor`: every framework within reach with its reason, what would be selected and why.

import test from 'ava'
import { pluginModule, writeFolder } from '../plugin/fake-frameworks.js'
import { runQuire } from './quire-command.js'

const manifest = (name: string, specVersion: number) => ({
  type: 'module',
  quire: { name, plugin: './plugin.js', specVersion },
})
const absent =
  'export const plugin = { specVersion: 1, name: "absent", priority: 50, probe: async () => ({ available: false, devices: [], reason: "no driver" }), open() {} }'

interface DoctorReport {
  readonly frameworks: readonly { name: string; kind: string; available: boolean; reason?: string; code?: string }[]
  readonly selected: { readonly name?: string; readonly why?: string; readonly error?: string; readonly code?: string }
  readonly environment: Readonly<Record<string, string>>
  readonly nativeModule: { readonly version?: string }
  readonly runtime: string
}

const app = () =>
  writeFolder({
    'package.json': { dependencies: { good: '1', absent: '1' }, optionalDependencies: { future: '1' } },
    'node_modules/good/package.json': manifest('good', 1),
    'node_modules/good/plugin.js': pluginModule('good', 'esm', 20),
    'node_modules/absent/package.json': manifest('absent', 1),
    'node_modules/absent/plugin.js': absent,
    'node_modules/future/package.json': manifest('future', 9),
    'node_modules/future/plugin.js': 'throw new Error("it was executed")',
  })

async function report(cwd: string, env: Record<string, string> = {}, args: readonly string[] = []) {
  const { code, stdout, stderr } = await runQuire(['doctor', '--json', ...args], { cwd, env })
  if (stdout === '') throw new Error(stderr)
  return { code, ...(JSON.parse(stdout) as DoctorReport) }
}

test('frameworks are listed with their reasons', async t => {
  const cwd = await app()
  const { code, frameworks, selected, nativeModule, runtime } = await report(cwd)
  t.deepEqual(
    frameworks.map(({ name, kind, available }) => `${name} ${kind} ${available}`),
    ['good installed true', 'absent installed false', 'future installed false', 'candle embedded true'],
  )
  t.is(frameworks[1]?.reason, 'no driver')
  t.regex(frameworks[2]?.reason ?? '', /from future was written for contract version 9; this Quire has version 1/)
  t.is(frameworks[2]?.code, 'ERR_PLUGIN')
  t.regex(selected.error ?? '', /contract version 9/)
  t.is(code, 1)
  t.regex(nativeModule.version ?? '', /^\d+\.\d+\.\d+/)
  t.regex(runtime, /^node \d+/)
})

test('what is selected, and what decided', async t => {
  const cwd = await app()
  const rows: readonly [Record<string, string>, readonly string[], number, string][] = [
    [{ QUIRE_PLUGINS: 'good,absent' }, [], 0, 'good on cpu:0: the only installed one that can run here'],
    [{ QUIRE_PLUGINS: 'none' }, [], 0, 'candle on cpu:0: the embedded default, with no other in reach'],
    [{ QUIRE_FRAMEWORK: 'candle' }, [], 0, 'candle on cpu:0: asked for by QUIRE_FRAMEWORK'],
    [{ QUIRE_FRAMEWORK: 'candle' }, ['--framework', 'good'], 0, 'good on cpu:0: asked for by the option `framework`'],
    [{}, ['--framework', 'absent'], 1, 'none: No framework available for Quire in this environment.'],
  ]
  for (const [env, args, code, expected] of rows) {
    const outcome = await runQuire(['doctor', ...args], { cwd, env })
    t.is(outcome.code, code, outcome.stdout)
    t.true(outcome.stdout.includes(`selected       ${expected}`), outcome.stdout)
    for (const name of Object.keys(env)) t.true(outcome.stdout.includes(`  ${name}=${env[name]}`))
  }
  const limited = await report(cwd, { QUIRE_PLUGINS: 'absent' })
  t.is(limited.selected.name, 'candle')
  t.deepEqual(limited.environment, { ...limited.environment, QUIRE_PLUGINS: 'absent' })
  const text = await runQuire(['doctor'], { cwd, env: { QUIRE_PLUGINS: 'absent' } })
  t.regex(text.stdout, /absent \(absent\) is installed but cannot run here: no driver\nRunning on candle\./)
})
