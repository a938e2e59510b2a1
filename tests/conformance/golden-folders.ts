// Directories with a golden.json that any plugin can be tried with: the fixtures of this repository, and shared models.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { goldenModels } from '../parity/golden-model.js'

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url))

/** Its tokens depend on when they are computed: the tests of the runner in Rust have it. */
const SEVERAL_ANSWERS = 'llama_rope_dynamic'

/** Every fixture that is a checkpoint with its tokens, or those named. */
export function fixtureModels(names: readonly string[] = readdirSync(fixtures)): readonly string[] {
  const sound = names.filter(name => name !== SEVERAL_ANSWERS)
  const isCheckpoint = (path: string) => ['config.json', 'golden.json'].every(file => existsSync(join(path, file)))
  return sound.map(name => join(fixtures, name)).filter(isCheckpoint)
}

/** Real models with the tokens that transformers gave, where they are at hand. */
export function sharedModelFolders(): readonly string[] {
  return goldenModels().map(({ path }) => path)
}
