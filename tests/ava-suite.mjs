// The tests of what is written in TypeScript. A file in which a test failed is run once more, alone, when all others have
// ended: a test that passes then is unstable, which is a bug to be mended and no reason to refuse another change.

import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execute } from '../ts/build/execute.mjs'
import { inRoot, npmProgram } from '../ts/build/repository.mjs'
import { AvaTally } from './tally/ava-tally.mjs'

/** Where more files than these fail, it is not chance. */
const MOST_FILES_AGAIN = 3

/**
 * @param {(file: string) => boolean} isWanted of a path relative to the repository
 * @param {Record<string, string>} environment
 * @param {(line: string) => void} onLine gets every line that ava prints
 */
export async function runAvaSuite(isWanted, environment, onLine) {
  const files = readdirSync(inRoot('tests'), { recursive: true })
    .map(path => `tests/${path.replaceAll('\\', '/')}`)
    .filter(path => path.endsWith('.test.ts') && isWanted(path))
    .sort()
  const { tally, code } = await runAva(files, environment, onLine)
  const failed = tally.failedFiles(code)
  if (failed.length === 0 || failed.length > MOST_FILES_AGAIN) return tally.finish(code)
  let isBroken = false
  for (const file of failed) {
    onLine(`# once more, alone: ${file}`)
    const again = await runAva([file], environment, onLine)
    tally.replace(file, again.tally.finish(again.code))
    isBroken ||= again.code !== 0
  }
  return tally.finish(isBroken ? code : 0)
}

async function runAva(files, environment, onLine) {
  const tally = new AvaTally(files)
  // What the tests leave of temporary files goes with this folder, whoever made it: models of a test, profiles of browsers.
  const temporary = await mkdtemp(join(tmpdir(), 'quire-tests-'))
  try {
    const code = await execute(npmProgram('ava'), ['--tap', ...files], {
      environment: { ...environment, TMPDIR: temporary, TEMP: temporary, TMP: temporary },
      onLine: line => {
        tally.line(line)
        onLine(line)
      },
    })
    return { tally, code }
  } finally {
    await rm(temporary, { recursive: true, force: true, maxRetries: 3 }).catch(({ message }) => onLine(`# ${message}`))
  }
}
