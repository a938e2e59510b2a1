// `npm test`: sets up and builds as `npm start` does, then runs every test of the project and sums up over all runners. The
// last line is `N passed, N failed, N skipped`. With `--frameworks` it first makes the environments of the frameworks that
// run in Python; what needs one that is not there is skipped.
import { parseArgs } from 'node:util'
import { build } from '../ts/build/build.mjs'
import { execute } from '../ts/build/execute.mjs'
import { inRoot } from '../ts/build/repository.mjs'
import { targetFlags } from '../ts/build/rust-target.mjs'
import { runMain } from '../ts/build/step-error.mjs'
import { buildWasm } from '../ts/build/wasm.mjs'
import { runAvaSuite } from './ava-suite.mjs'
import { makeEnvironments } from './environments/make.mjs'
import { runPythonSuites } from './python-suites.mjs'
import { CargoTally } from './tally/cargo-tally.mjs'

const isOfArchitecture = file => file.startsWith('tests/architecture/')

/** The code with which fetch-models says that the package index is out of reach. */
const OUT_OF_REACH = 75

await runMain(async commandArguments => {
  const { values } = parseArgs({ args: commandArguments, options: { frameworks: { type: 'boolean', default: false } } })
  // The package index is waited for while cargo computes, and what is in Python is tested beside what is in Rust.
  const environments = values.frameworks ? prepareFrameworks() : undefined
  environments?.catch(() => {})
  const fetched = fetchModels()
  // Before the build, which puts the module's JavaScript into the bundles for web pages.
  await buildWasm()
  await build()
  const packages = inRoot('.cache', 'packages')
  // Its tools are among the packages that were just installed.
  const { packPackages } = await import('../ts/build/pack.mjs')
  await packPackages(packages)
  const { environment: models, tally } = await fetched
  const environment = { ...models, QUIRE_PACKAGES: packages }
  const [ofCargo, ofEnvironments, ofPython] = await Promise.all([
    runCargo(environment),
    environments,
    Promise.resolve(environments).then(() => runPythonSuites(line => console.log(line))),
  ])
  const runners = [
    { name: 'fetch-models', tally },
    ...(ofEnvironments === undefined ? [] : [{ name: 'environments', tally: ofEnvironments }]),
    { name: 'cargo test', tally: ofCargo },
    { name: 'python', tally: ofPython },
    { name: 'architecture', tally: await runAvaSuite(isOfArchitecture, environment, console.log) },
    { name: 'ava', tally: await runAvaSuite(file => !isOfArchitecture(file), environment, console.log) },
  ]
  return report(runners)
})

/** Environment variables that tell the tests where the real models are, or why they are not here. */
async function fetchModels() {
  const lines = []
  const code = await execute(process.env.PYTHON ?? 'python3', [inRoot('tests/fetch-models/fetch.py')], {
    onLine: line => lines.push(line),
  }).catch(error => {
    lines.push(error.message)
    return OUT_OF_REACH
  })
  const reason = lines.at(-1) ?? 'fetch-models said nothing'
  const environment =
    code === 0 ? { QUIRE_TEST_MODELS: inRoot('.cache', 'models') } : { QUIRE_TEST_MODELS_SKIPPED: reason }
  const broken = code !== 0 && code !== OUT_OF_REACH
  if (broken) console.log(lines.join('\n'))
  const tally = { passed: 0, failed: broken ? 1 : 0, skipped: 0, skippedTests: [], failedTests: broken ? [reason] : [] }
  return { environment, tally }
}

/** What could not be made counts as skipped if no index has it for this machine, else as failed. */
async function prepareFrameworks() {
  const missing = (await makeEnvironments()).map(({ name, reason, isFailure }) => ({
    text: `${name}: ${reason}`,
    isFailure,
  }))
  const [failed, skipped] = [true, false].map(which =>
    missing.filter(({ isFailure }) => isFailure === which).map(({ text }) => text),
  )
  const counts = { passed: 0, failed: failed.length, skipped: skipped.length }
  return { ...counts, failedTests: failed, skippedTests: skipped }
}

async function runCargo(environment) {
  const tally = new CargoTally()
  // By naming kinds of targets, examples in comments are left out: there are none, and looking for them takes a compilation of each crate.
  const flags = ['--locked', '--release', '--workspace', '--lib', '--bins', '--tests', '--no-fail-fast']
  flags.push(...(await targetFlags()))
  const code = await execute('cargo', ['test', ...flags, '--', '--show-output'], {
    environment,
    onLine: line => {
      tally.line(line)
      console.log(line)
    },
  })
  return tally.finish(code)
}

/** Prints what was skipped and why, what was unstable, what failed, one line per runner, and the sum. Returns the exit code. */
function report(runners) {
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const { name, tally } of runners) {
    for (const skipped of tally.skippedTests) console.log(`${name}: skipped ${skipped}`)
    for (const unstable of tally.unstableTests ?? []) console.log(`${name}: unstable ${unstable}`)
    for (const failed of tally.failedTests) console.log(`${name}: FAILED ${failed}`)
  }
  for (const { name, tally } of runners) {
    console.log(`${name}: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`)
    for (const key of Object.keys(sum)) sum[key] += tally[key]
  }
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
  return sum.failed > 0 || sum.passed === 0 ? 1 : 0
}
