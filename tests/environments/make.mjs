// Makes the environments of the frameworks that run in Python, one each, in .cache/python: what a plugin requires and what its
// tests do (tests/environments/<name>.txt); and one of clients in Python, which the server's tests run. What is there already
// and as it should be is kept.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { execute, outputOf } from '../../ts/build/execute.mjs'
import { inRoot } from '../../ts/build/repository.mjs'
import { unlessFresh } from '../../ts/build/stamp.mjs'
import { runMain, StepError } from '../../ts/build/step-error.mjs'

const HERE = 'tests/environments'

/** What pip says where no index answers, or none has a build for this machine. */
const OUT_OF_REACH =
  /No matching distribution found|Could not find a version|Failed to establish a new connection|Temporary failure in name resolution|Max retries exceeded|timed out|ProxyError|SSLError/

/** Names of the plugins that need an environment. */
export const environmentNames = readdirSync(inRoot('plugins'))
  .filter(name => existsSync(inRoot('plugins', name, 'requirements.txt')))
  .sort()

/** The environment of clients that talk to the server. */
export const CLIENTS = 'openai-clients'

/** Where an environment is. */
export const environmentFolder = name => inRoot('.cache', 'python', name)

/** Its interpreter. */
export const environmentPython = name => join(environmentFolder(name), 'bin', 'python')

/**
 * @returns {Promise<{ name: string, reason: string, isFailure: boolean }[]>} those that could not be made; one that the
 *   package index could not serve is no failure.
 */
export async function makeEnvironments() {
  const missing = []
  for (const name of [...environmentNames, CLIENTS]) {
    console.log(`environment ${name}: ${environmentFolder(name)}`)
    try {
      await makeEnvironment(name)
    } catch (error) {
      if (!(error instanceof StepError)) throw error
      const isFailure = !OUT_OF_REACH.test(error.message)
      missing.push({ name, reason: error.message.trim().split('\n').at(-1), isFailure })
      if (isFailure) console.log(error.message)
    }
  }
  return missing
}

async function makeEnvironment(name) {
  const requirements = name === CLIENTS ? undefined : `plugins/${name}/requirements.txt`
  const installer = `${HERE}/install_${name}.py`
  const python = process.env.PYTHON ?? 'python3'
  await unlessFresh({
    stamp: join(environmentFolder(name), '.quire-made'),
    inputs: [requirements, `${HERE}/${name}.txt`, `${HERE}/tools.txt`, installer].filter(
      path => path !== undefined && existsSync(inRoot(path)),
    ),
    outputs: [`.cache/python/${name}/bin/python`],
    facts: [(await outputOf(python, ['--version'])) ?? 'no Python'],
    make: async () => {
      await must(python, ['-m', 'venv', environmentFolder(name)])
      const pip = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--retries', '2', '--timeout', '60']
      await must(environmentPython(name), [...pip, '-r', `${HERE}/${name}.txt`])
      if (requirements === undefined) return
      const install = existsSync(inRoot(installer)) ? [installer, requirements] : [...pip, '-r', requirements]
      await must(environmentPython(name), install)
    },
  })
}

/** @throws {StepError} with all that it said. */
async function must(program, programArguments) {
  const lines = []
  const code = await execute(program, programArguments, { onLine: line => lines.push(line) })
  if (code !== 0)
    throw new StepError([...lines, `${lines.findLast(line => line.trim()) ?? program} (exit code ${code})`].join('\n'))
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runMain(async () => {
    await makeEnvironments()
  })
}
