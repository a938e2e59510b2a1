// An app with a plugin over Python that wants one small wheel, made here: what `quire setup` is tried with.

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** The plugin's module. It is available where its environment has the wheel. */
const pluginModule = `
import { execFileSync } from 'node:child_process'
import { managedEnvironment } from 'quire-llm/plugin'

export const plugin = {
  specVersion: 1,
  name: 'tiny',
  priority: 5,
  pythonEnvironment: {
    python: { atLeast: '3.8', below: '3.99' },
    installs: ({ accelerators }) => [
      { requirements: new URL('./requirements.txt', import.meta.url), ...(accelerators.length === 0 && { arguments: ['--no-deps'] }) },
    ],
  },
  async probe() {
    try {
      const { python } = managedEnvironment('tiny', process.env)
      const version = execFileSync(python, ['-c', 'import quire_tiny; print(quire_tiny.version)'], { stdio: 'pipe' })
      return { available: true, version: String(version).trim(), devices: [{ kind: 'cpu', index: 0 }], facts: { python } }
    } catch {
      return { available: false, devices: [], reason: 'quire-tiny cannot be imported' }
    }
  },
  async open() {},
}
`

/** A plugin for a Python that nobody has any more. */
const oldModule = `
export const plugin = {
  specVersion: 1,
  name: 'old',
  priority: 4,
  pythonEnvironment: { python: { atLeast: '3.1', below: '3.3' }, installs: () => [] },
  probe: async () => ({ available: false, devices: [], reason: 'too old' }),
  open: async () => {},
}
`

const wheelScript = `
import sys, zipfile
folder, version = sys.argv[1:]
info = f"quire_tiny-{version}.dist-info"
files = {
    "quire_tiny.py": f"version = '{version}'\\n",
    f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: quire-tiny\\nVersion: {version}\\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: quire\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}
files[f"{info}/RECORD"] = "".join(f"{name},,\\n" for name in [*files, f"{info}/RECORD"])
with zipfile.ZipFile(f"{folder}/quire_tiny-{version}-py3-none-any.whl", "w") as wheel:
    for name, text in files.items():
        wheel.writestr(name, text)
`

export interface TinyPythonApp {
  readonly folder: string
  /** QUIRE_HOME of the test. */
  readonly home: string
  /** Where the environment will be. */
  readonly environment: string
  /** Makes a release of the wheel, and the plugin want it. */
  want(version: string): Promise<void>
}

export async function tinyPythonApp(): Promise<TinyPythonApp> {
  const folder = await mkdtemp(join(tmpdir(), 'quire-setup-'))
  const home = join(folder, 'home')
  const [wheels, modules] = [join(folder, 'wheels'), join(folder, 'node_modules')]
  const manifest = (name: string) => ({ type: 'module', quire: { name, plugin: './plugin.js', specVersion: 1 } })
  await mkdir(wheels)
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ dependencies: { 'quire-plugin-tiny': '1', 'quire-plugin-old': '1' } }),
  )
  for (const [name, module] of [
    ['tiny', pluginModule],
    ['old', oldModule],
  ] as const) {
    const inPackage = join(modules, `quire-plugin-${name}`)
    await mkdir(inPackage, { recursive: true })
    await writeFile(join(inPackage, 'package.json'), JSON.stringify(manifest(name)))
    await writeFile(join(inPackage, 'plugin.js'), module)
  }
  await symlink(fileURLToPath(new URL('../../ts', import.meta.url)), join(modules, 'quire-llm'), 'dir')
  const want = async (version: string): Promise<void> => {
    await promisify(execFile)('python3', ['-c', wheelScript, wheels, version])
    await writeFile(
      join(modules, 'quire-plugin-tiny', 'requirements.txt'),
      `--no-index\n--find-links ${wheels}\nquire-tiny==${version}\n`,
    )
  }
  await want('1.2')
  return { folder, home, environment: join(home, 'python', 'tiny'), want }
}
