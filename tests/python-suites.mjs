// The tests of what is written in Python: of every package with a pyproject.toml, its formatter, linter and types, one test
// each, and all that pytest finds. They run in the frameworks' environments and are skipped where those are not.

import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { execute, outputOf } from '../ts/build/execute.mjs'
import { inRoot } from '../ts/build/repository.mjs'
import { environmentNames, environmentPython } from './environments/make.mjs'
import { PytestTally } from './tally/pytest-tally.mjs'

const WORKER = 'plugins/_python-worker/python'

/** Folders of Python packages, relative to the repository. */
const folders = ['plugins', 'examples'].flatMap(parent =>
  readdirSync(inRoot(parent))
    .map(name => `${parent}/${name}/python`)
    .filter(folder => existsSync(inRoot(folder, 'pyproject.toml')))
    .sort(),
)

/** @param onLine gets every line that a tool prints */
export async function runPythonSuites(onLine) {
  const tally = new PytestTally()
  for (const folder of folders) {
    const python = await interpreterOf(basename(dirname(folder)))
    if (python === undefined) {
      tally.skip(`${folder}: its environment is not here, \`npm run test:frameworks\` makes it`)
      continue
    }
    await runSuite(folder, python, tally, onLine)
  }
  return tally
}

/** A framework's own environment; any of them for what needs NumPy alone. */
async function interpreterOf(name) {
  const names = environmentNames.includes(name) ? [name] : environmentNames
  for (const path of names.map(environmentPython)) {
    if (existsSync(path) && (await outputOf(path, ['-c', 'import mypy, pytest, ruff; print(1)'])) === '1') return path
  }
  return undefined
}

async function runSuite(folder, python, tally, onLine) {
  const packages = readdirSync(inRoot(folder)).filter(name => existsSync(inRoot(folder, name, '__init__.py')))
  const cache = inRoot('.cache', 'mypy', basename(dirname(folder)))
  const checks = {
    'ruff check': ['-m', 'ruff', 'check', '--no-cache', '.'],
    'ruff format': ['-m', 'ruff', 'format', '--check', '--no-cache', '.'],
    mypy: ['-m', 'mypy', '--cache-dir', cache, ...packages, 'tests'],
  }
  const environment = {
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONPATH: inRoot(WORKER),
    ...(folder !== WORKER && { MYPYPATH: inRoot(WORKER) }),
  }
  const run = (programArguments, lineOf) =>
    execute(python, programArguments, { directory: folder, environment, onLine: lineOf })
  for (const [name, programArguments] of Object.entries(checks)) {
    const lines = []
    const code = await run(programArguments, line => lines.push(line))
    if (code !== 0) lines.forEach(onLine)
    tally.check(`${folder}: ${name}`, code)
  }
  tally.begin(folder)
  const code = await run(['-m', 'pytest', '-q', '-rsfE', '-p', 'no:cacheprovider'], line => {
    tally.line(line)
    onLine(line)
  })
  tally.end(code)
}
