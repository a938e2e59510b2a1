// Remembers from which inputs a step's outputs were made, so that a second run skips it. Must not know any step.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { inRoot } from './repository.mjs'

const SKIPPED = new Set(['node_modules', 'target', 'dist', 'native', 'assets', 'fixtures', '.git'])

/**
 * Runs `make` unless its inputs are as they were when it last succeeded and its outputs are there.
 * @param {{ stamp: string, inputs: string[], outputs: string[], facts?: string[], make: () => Promise<void> }} step
 *   stamp: file that keeps the digest; inputs: files and folders, relative to the repository, by size and modification
 *   time; facts: whatever else decides the outcome (tool versions, profile).
 * @returns {Promise<boolean>} whether it had to run
 */
export async function unlessFresh(step) {
  const digest = await digestOf(step.inputs, step.facts ?? [])
  const known = await readFile(step.stamp, 'utf8').catch(() => '')
  if (known === digest && step.outputs.every(output => existsSync(inRoot(output)))) return false
  await step.make()
  await mkdir(dirname(step.stamp), { recursive: true })
  await writeFile(step.stamp, digest)
  return true
}

/** A digest over the names, sizes and modification times of all files below the inputs. A missing input is a fact too. */
export async function digestOf(inputs, facts) {
  const hash = createHash('sha256').update(JSON.stringify(facts))
  for (const input of inputs) {
    for (const line of (await listFiles(inRoot(input))).sort()) hash.update(`${line}\n`)
  }
  return hash.digest('hex')
}

async function listFiles(path) {
  const facts = await stat(path).catch(() => undefined)
  if (facts === undefined) return [`${path} missing`]
  if (!facts.isDirectory()) return [`${path} ${facts.size} ${facts.mtimeMs}`]
  const entries = (await readdir(path)).filter(name => !SKIPPED.has(name))
  return (await Promise.all(entries.map(name => listFiles(join(path, name))))).flat()
}
