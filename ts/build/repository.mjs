// Where the repository's parts are. Must not know what is done with them.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's top folder, without a trailing separator. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')

/** A path inside the repository. */
export const inRoot = (...parts) => join(root, ...parts)

/** Where cargo puts what it builds. */
export const targetDirectory = process.env.CARGO_TARGET_DIR ?? inRoot('target')

/** A program of an installed npm package. */
export const npmProgram = name => inRoot('node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name)
