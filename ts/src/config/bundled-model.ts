// Where the model is that comes with the package: used when no model is named.

import { fileURLToPath } from 'node:url'
import { unpackedPath } from './unpacked-path.js'

/** Directory of the bundled tiny model; two levels above both the sources and the compiled files. */
export function bundledModelDirectory(): string {
  return unpackedPath(fileURLToPath(new URL('../../assets/tiny-model', import.meta.url)))
}
