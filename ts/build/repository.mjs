// Where the repository's parts are. Must not know what is done with them.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's top folder, without a trailing separator. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')

/** A path inside the repository. */
export const inRoot = (...parts) => join(root, ...parts)

/** The npm packages of the workspace, relative to the top: the engine's, then those under plugins/ by name. */
export const packageFolders = [
  'ts',
  ...readdirSync(inRoot('plugins'), { withFileTypes: true })
    .filter(entry => entry.isDirectory() && existsSync(inRoot('plugins', entry.name, 'package.json')))
    .map(entry => `plugins/${entry.name}`)
    .sort(),
]

/** Where cargo puts what it builds. */
export const targetDirectory = process.env.CARGO_TARGET_DIR ?? inRoot('target')

/** A program of an installed npm package. */
export const npmProgram = name => inRoot('node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name)
