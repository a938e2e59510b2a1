// `quire setup`: the commands it would run, an environment made for real, and going on where it was cut off.

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { planSetup, shellLine } from '../../ts/src/cli/setup-plan.js'
import { currentMachine, runtimeName } from '../../ts/src/cli/surroundings.js'
import { managedEnvironment } from '../../ts/src/plugin/python-environment.js'
import { runQuire } from './quire-command.js'
import { tinyPythonApp } from './tiny-python-app.js'

function hasVenv(): boolean {
  try {
    execFileSync('python3', ['-c', 'import venv, ensurepip'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

const made = hasVenv() ? test : test.skip

made('an environment is made, found again, changed, and mended', async t => {
  const app = await tinyPythonApp()
  const run = (...args: string[]) => runQuire(['setup', ...args], { cwd: app.folder, env: { QUIRE_HOME: app.home } })
  const dry = await run('tiny', '--dry-run', '--python', 'python3')
  t.is(dry.code, 0, dry.stderr)
  const [create, install, ...rest] = dry.stdout.trim().split('\n')
  t.is(create, `python3 -m venv ${app.environment}`)
  t.regex(
    install ?? '',
    /^\S+\/bin\/python -m pip install --disable-pip-version-check -r \S+\/requirements\.txt --no-deps$/,
  )
  t.deepEqual(rest, [])
  t.false(existsSync(app.home), 'a dry run makes nothing')

  const first = await run('tiny', '--python', 'python3')
  t.is(first.code, 0, first.stderr)
  t.regex(first.stdout, /^tiny 1\.2 is ready on cpu:0, with Python \S+\/python\/tiny\/bin\/python\n$/)
  t.regex(first.stderr, /\[1\/2\] making the virtual environment\n.*\[2\/2\] installing the requirements\n/s)
  t.true(existsSync(join(app.environment, 'quire-setup.json')))

  const second = await run('tiny')
  t.is(second.code, 0)
  t.is(second.stderr, '', 'nothing is done twice')
  t.regex(second.stdout, /^tiny is set up already in .*\ntiny 1\.2 is ready/)
  t.regex((await run('tiny', '--dry-run')).stdout, /^# tiny is set up already/)

  await app.want('1.3')
  const changed = await run('quire-plugin-tiny', '--python', 'python3')
  t.is(changed.code, 0, changed.stderr)
  t.regex(changed.stdout, /^tiny 1\.3 is ready/)
  t.regex(changed.stderr, /^\[1\/1\] installing the requirements\n/)

  await rm(join(app.environment, 'quire-setup.json'))
  await rm(join(app.environment, 'lib'), { recursive: true })
  const doctor = await runQuire(['doctor'], { cwd: app.folder, env: { QUIRE_HOME: app.home } })
  t.regex(doctor.stdout, /environment +\S+\/python\/tiny \(half made: `npx quire setup tiny`\)/)
  const mended = await run('tiny', '--python', 'python3')
  t.is(mended.code, 0, mended.stderr)
  t.regex(mended.stdout, /^tiny 1\.3 is ready/)
  t.regex(mended.stderr, /^\[1\/2\] making/)

  const python = join(app.environment, 'bin', 'python')
  await rm(python)
  await symlink('/nowhere/python', python)
  const broken = await run('tiny', '--dry-run', '--python', 'python3')
  t.is(broken.stdout.split('\n')[0], `rm -rf ${app.environment}`)

  await app.want('1.4')
  await rm(join(app.folder, 'wheels'), { recursive: true })
  const failed = await run('tiny', '--python', 'python3')
  t.is(failed.code, 1)
  t.regex(failed.stderr, /installing the requirements failed \(exit code 1\)\. Run the same command again/)
  t.false(existsSync(join(app.environment, 'quire-setup.json')))
})

made('Ctrl-C ends a setup with 130', async t => {
  const app = await tinyPythonApp()
  const options = { cwd: app.folder, env: { QUIRE_HOME: app.home }, interruptAfter: /\[1\/2\]/ }
  const { code, stderr } = await runQuire(['setup', 'tiny', '--python', 'python3'], options)
  t.is(code, 130, stderr)
  t.regex(stderr, /interrupted\. Run the same command again to go on from here\.\n$/)
})

test('uv is used where it is', async t => {
  const app = await tinyPythonApp()
  const bin = join(app.folder, 'bin')
  await mkdir(bin)
  await writeFile(join(bin, 'uv'), '#!/bin/sh\necho uv 0.9.0\n')
  await chmod(join(bin, 'uv'), 0o755)
  const { stdout } = await runQuire(['setup', 'tiny', '--dry-run', '--cpu'], {
    cwd: app.folder,
    env: { QUIRE_HOME: app.home, PATH: `${bin}:${process.env.PATH}` },
  })
  const [create, install] = stdout.split('\n')
  t.is(create, `uv venv --allow-existing --python '>=3.8,<3.99' ${app.environment}`)
  t.regex(install ?? '', /^uv pip install --python \S+\/tiny\/bin\/python -r \S+\/requirements\.txt --no-deps$/)
})

const refusals: readonly [readonly string[], number, RegExp][] = [
  [[], 2, /Which plugin\? Here: tiny, old, candle\./],
  [['--nonsense', 'tiny'], 2, /nonsense/],
  [
    ['nobody'],
    1,
    /No plugin 'nobody' is among the dependencies .*`npm install @quire-llm\/nobody`\. Here: tiny, old, candle\./,
  ],
  [['./nowhere'], 1, /There is no plugin in/],
  [['old'], 1, /Python 3\.1 or later, before 3\.3 is needed, and python3 is 3\.\d+/],
  [['tiny', '--python', '/nowhere/python'], 1, /\/nowhere\/python is no Python that runs/],
  [['old', '--python', 'python3'], 1, /python3 is Python 3\.\d+\.\d+; Python 3\.1 or later/],
]

test('what cannot be set up says why', async t => {
  const app = await tinyPythonApp()
  for (const [args, code, message] of refusals) {
    const env = { QUIRE_HOME: app.home, PATH: pathWithoutUv() }
    const outcome = await runQuire(['setup', ...args], { cwd: app.folder, env })
    t.is(outcome.code, code, args.join(' '))
    t.regex(outcome.stderr, message)
  }
  const { stdout, code } = await runQuire(['setup', 'candle'], { cwd: app.folder })
  t.is(`${code} ${stdout}`, '0 candle needs no setup.\n')
  const byPath = await runQuire(['setup', '--dry-run', './node_modules/quire-plugin-tiny', '--python', 'python3'], {
    cwd: app.folder,
    env: { QUIRE_HOME: app.home },
  })
  t.regex(byPath.stdout, /requirements\.txt/)
})

const plugins = fileURLToPath(new URL('../../plugins/', import.meta.url))

/** The plugins of this repository that have Python requirements, with the module to import. */
const overPython = readdirSync(plugins).flatMap(name => {
  const folder = join(plugins, name)
  const manifest = join(folder, 'package.json')
  if (!existsSync(join(folder, 'requirements.txt')) || !existsSync(manifest)) return []
  const { quire } = JSON.parse(readFileSync(manifest, 'utf8')) as { quire?: { name: string; plugin: string } }
  return quire === undefined ? [] : [{ folder, name: quire.name, entry: join(folder, quire.plugin) }]
})

for (const { folder, name, entry } of overPython) {
  const dry = existsSync(entry) ? test : test.skip
  dry(`${name}: the commands that would be run`, async t => {
    const home = join(plugins, 'no-such-folder')
    const env = { QUIRE_HOME: home, PATH: pathWithoutUv() }
    const { code, stdout, stderr } = await runQuire(['setup', folder, '--dry-run', '--cpu'], { cwd: plugins, env })
    t.is(code, 0, stderr)
    const [create, install] = stdout.split('\n')
    t.regex(create ?? '', new RegExp(`^\\S+ -m venv ${join(home, 'python', name)}$`))
    t.true(install?.includes(` -r ${join(folder, 'requirements.txt')}`), stdout)
    t.false(existsSync(home))
  })
}

test('the commands are as a shell takes them', t => {
  t.is(shellLine(['/a b/python', '-m', 'venv', "it's"]), "'/a b/python' -m venv 'it'\\''s'")
  const steps = planSetup({
    environment: { python: { atLeast: '3.10', below: '3.14' }, installs: () => [] },
    managed: { folder: '/data/quire/python/x', python: '/data/quire/python/x/bin/python' },
    state: 'without pip',
    tools: { kind: 'venv', python: 'python3', version: '3.12.1' },
    installs: [
      { requirements: new URL('file:///p/first.txt'), arguments: ['--no-deps'] },
      { requirements: new URL('file:///p/then.txt') },
    ],
  })
  t.deepEqual(
    steps.map(({ command }) => command.slice(1).join(' ')),
    [
      '-m venv /data/quire/python/x',
      '-m pip install --disable-pip-version-check -r /p/first.txt --no-deps',
      '-m pip install --disable-pip-version-check -r /p/then.txt',
    ],
  )
})

test('a machine is known by what its drivers leave', t => {
  const machine = (platform: NodeJS.Platform, arch: NodeJS.Architecture, ...paths: string[]) =>
    currentMachine({ platform, arch, env: {} }, path => paths.includes(path)).accelerators
  t.deepEqual(machine('linux', 'x64'), [])
  t.deepEqual(machine('linux', 'x64', '/dev/nvidiactl'), ['cuda'])
  t.deepEqual(machine('linux', 'arm64', '/dev/davinci_manager', '/dev/nvidia0'), ['cuda', 'npu'])
  t.deepEqual(machine('darwin', 'arm64'), ['metal'])
  t.deepEqual(machine('darwin', 'x64'), [])
  t.is(runtimeName({ node: '22.0.0', bun: '1.4.5' }), 'bun 1.4.5')
  t.is(runtimeName({ node: '22.0.0' }), 'node 22.0.0')
})

test('the folder of an environment', t => {
  const folder = (env: Record<string, string>) => managedEnvironment('x', env, 'linux').folder
  t.is(folder({ QUIRE_HOME: '/q', XDG_DATA_HOME: '/d', HOME: '/h' }), '/q/python/x')
  t.is(folder({ XDG_DATA_HOME: '/d', HOME: '/h' }), '/d/quire/python/x')
  t.is(folder({ HOME: '/h' }), '/h/.local/share/quire/python/x')
  t.is(managedEnvironment('x', { QUIRE_HOME: '/q' }, 'linux').python, '/q/python/x/bin/python')
  t.regex(managedEnvironment('x', { QUIRE_HOME: '/q' }, 'win32').python, /Scripts.python\.exe$/)
})

function pathWithoutUv(): string {
  const folders = (process.env.PATH ?? '').split(':')
  return folders.filter(folder => !existsSync(join(folder, 'uv'))).join(':')
}
