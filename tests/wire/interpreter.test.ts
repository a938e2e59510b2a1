// Finding a Python with the framework, and the sentence that a person gets where there is none: it has the command that mends it.

import test from 'ava'
import { findInterpreter } from '../../plugins/_python-worker/src/interpreter.js'
import { fakePlugin } from './fake-worker.js'
import { python, withoutPython } from './python.js'

const wire = python === undefined ? test.skip : test
const why = python === undefined ? ` (${withoutPython})` : ''

const pythonEnvironment = { python: { atLeast: '3.10', below: '4' }, installs: () => [] }

type Plugin = ReturnType<typeof fakePlugin>

/** What opening it throws. */
async function refusal(plugin: Plugin, variables: Readonly<Record<string, string>>): Promise<string> {
  const error = await plugin.open({ env: { ...process.env, QUIRE_HOME: '/nowhere', ...variables } }).then(
    () => undefined,
    (reason: Error & { code?: string }) => reason,
  )
  return error === undefined ? 'opened' : `${error.code} ${error.message}`
}

test('no Python at all', async t => {
  const variables = { PATH: '/nowhere', VIRTUAL_ENV: '', QUIRE_PYTHON: '' }
  t.is(
    await refusal(fakePlugin({ pythonEnvironment }), variables),
    'ERR_NO_FRAMEWORK No Python with numpy 1 or later, before 3 was found (python3: not found). Run `npx quire setup fake`, or set QUIRE_PYTHON to a Python that has it.',
  )
  t.regex(await refusal(fakePlugin(), variables), /Run `python3 -m pip install "numpy>=1,<3" numpy msgpack`/)
})

test('on Windows no Python is looked for', async t => {
  const search = {
    name: 'fake',
    module: 'quire_fake',
    distribution: 'numpy',
    versions: { atLeast: '1', below: '3' },
    canSetUp: true,
    pythonPath: [],
    env: { QUIRE_PYTHON: process.execPath },
  }
  const onWindows = await findInterpreter({ ...search, platform: 'win32' })
  t.regex('reason' in onWindows ? onWindows.reason : '', /need Linux or macOS\. On Windows, run Quire in WSL/)
  const here = await findInterpreter({ ...search, platform: 'linux' })
  t.regex('reason' in here ? here.reason : '', /^No Python with numpy/)
})

test('on Windows no environment is made that could not be used', t => {
  const installs = fakePlugin({ pythonEnvironment }).pythonEnvironment?.installs
  const machine = { arch: 'x64', accelerators: [] }
  t.throws(() => installs?.({ ...machine, platform: 'win32' }), {
    code: 'ERR_NO_FRAMEWORK',
    message: /run Quire in WSL/,
  })
  t.deepEqual(installs?.({ ...machine, platform: 'linux' }), [])
})

test('a Python that is not where QUIRE_PYTHON says', async t => {
  t.regex(
    await refusal(fakePlugin(), { QUIRE_PYTHON: '/nowhere/python' }),
    /^ERR_NO_FRAMEWORK .*\(\/nowhere\/python: not found\)\. .*unset QUIRE_PYTHON\.$/,
  )
})

test('a program that is no Python', async t => {
  t.regex(await refusal(fakePlugin(), { QUIRE_PYTHON: process.execPath }), /^ERR_NO_FRAMEWORK No Python with numpy/)
})

const refused: readonly (readonly [title: string, differences: Parameters<typeof fakePlugin>[0], reason: RegExp])[] = [
  [
    'the framework is missing',
    { distribution: 'quire-absent' },
    /quire-absent is not installed\).*-m pip install "quire-absent>=1,<3"/,
  ],
  [
    'the framework is too old',
    { versions: { atLeast: '99', below: '100' } },
    /numpy is \d+\.\d+\.\d+\).*-m pip install "numpy>=99,<100"/,
  ],
  ['the framework is too new', { versions: { atLeast: '0.1', below: '1.0' } }, /numpy is \d+\.\d+\.\d+\)/],
  ["the plugin's own package is missing", { module: 'quire_absent' }, /quire_absent cannot be found/],
]
for (const [title, differences, reason] of refused) {
  wire(`${title}: probe and open say so${why}`, async t => {
    const plugin = fakePlugin(differences)
    t.regex(await refusal(plugin, { QUIRE_PYTHON: python as string }), reason)
  })
}

wire(`a framework that cannot be imported is an error of open, with what Python said${why}`, async t => {
  const said = await refusal(fakePlugin(), { QUIRE_PYTHON: python as string, QUIRE_FAKE_FAULT: 'open-import' })
  t.regex(said, /^ERR_NO_FRAMEWORK The framework cannot be imported: libfake\.so\.1/)
})

wire(`a time that is none is refused by name${why}`, async t => {
  for (const variable of ['QUIRE_STEP_TIMEOUT_MS', 'QUIRE_HEARTBEAT_TIMEOUT_MS']) {
    const said = await refusal(fakePlugin(), { QUIRE_PYTHON: python as string, [variable]: 'long' })
    t.regex(said, new RegExp(`^ERR_INVALID_ARGUMENT .*${variable}`))
  }
})
