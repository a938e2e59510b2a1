// `node tests/packages/smoke.mjs FOLDER [--limit BYTES]`: installs the tarballs of a folder into an empty app, says how much that is,
// and lets the bundled model write. Needs nothing but Node.js and npm, so that it runs wherever the packages should.
// `--node COMMAND --cpu CPU --libc LIBC`: the app is installed for that platform, and COMMAND runs it: its Node.js, in an emulator
// perhaps. Every argument that COMMAND has stands between spaces.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { installedSize } from './installed-size.mjs'

const text = { type: 'string' }
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { limit: text, node: text, cpu: text, libc: text },
})
const [program, ...programArguments] = values.node?.split(' ') ?? [process.execPath]
const platform = ['cpu', 'libc'].filter(name => name in values).map(name => `--${name}=${values[name]}`)
const tarballs = resolve(positionals[0] ?? 'dist/packages')
const packed = JSON.parse(readFileSync(join(tarballs, 'packages.json'), 'utf8'))
const location = Object.fromEntries(packed.map(({ name, filename }) => [name, `file:${join(tarballs, filename)}`]))
const { 'quire-llm': quire, ...others } = location

const app = mkdtempSync(join(tmpdir(), 'quire-smoke-'))
try {
  const manifest = {
    name: 'app',
    private: true,
    type: 'module',
    dependencies: { 'quire-llm': quire },
    overrides: others,
  }
  writeFileSync(join(app, 'package.json'), JSON.stringify(manifest))
  npm('install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', ...platform)
  const { bytes, packages } = installedSize(app)
  for (const [name, size] of Object.entries(packages)) console.log(`${String(size).padStart(10)}  ${name}`)
  console.log(`${String(bytes).padStart(10)}  in all`)
  if (bytes > Number(values.limit ?? Infinity)) throw new Error(`That is more than ${values.limit} bytes.`)
  const story = quireCommand('generate', '--prompt', 'Once upon a time', '--max-tokens', '16', '--temperature', '0')
  if (!/\w+ \w+/.test(story)) throw new Error(`This is no story: ${JSON.stringify(story)}`)
  console.log(quireCommand('info'))
  const machine = node('-p', 'process.platform + "-" + process.arch + ", Node.js " + process.version')
  console.log(`${machine.trim()}: ${story.trim()}`)
} finally {
  rmSync(app, { recursive: true, force: true })
}

function npm(...args) {
  const isWindows = process.platform === 'win32'
  return execFileSync(isWindows ? 'npm.cmd' : 'npm', args, { cwd: app, stdio: 'inherit', shell: isWindows })
}

function quireCommand(...args) {
  return node(join(app, 'node_modules/quire-llm/bin/quire.js'), ...args)
}

function node(...args) {
  return execFileSync(program, [...programArguments, ...args], {
    cwd: app,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
